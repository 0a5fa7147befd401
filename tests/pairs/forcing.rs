//! Having one operation's critical section come before another's. Each pair is run in two ways.
//!
//! *At the door*: a connection of the test's own holds the row that the first operation locks last. So the first stands there with all
//! that it has locked before, the second comes and goes as far as it can, and then both are let go. Were one of them to lock in another
//! order, each would now hold what the other needs.
//!
//! *At the commit*: the first is stopped by a deferred trigger when it has done everything and nothing of it can be seen yet. What the second
//! then reads is as old as it can be.

use std::time::{Duration, Instant};

use doorbuster::{config::PaidWithoutStock, db::PoolSettings, feed::Feed, shop::Shop};
use tokio::task::JoinHandle;

use super::scene::{Generous, Operation, Scene, Step, make_code};
use crate::support::{
    PATIENCE, TestShop, check_audit_clean, database::ByHand, retries::Retries, within,
};

const FIRST: &str = "pair: first";
const SECOND: &str = "pair: second";
/// "pair" in ASCII.
const STOP_LOCK: u32 = 0x7061_6972;

/// Nothing on it times out before the test does: whatever is tried again was in a deadlock.
const PATIENT: PoolSettings = PoolSettings {
    application_name: "pair",
    transactions_max: 2,
    readers_max: 1,
    lock_timeout: Duration::from_secs(60),
    statement_timeout: Duration::from_secs(60),
    ..PoolSettings::SHOP
};

/// Two operations, where they meet, and how that ends.
pub struct Pair {
    pub operations: [Operation; 2],
    pub steps: &'static [Step],
    /// What a restock brings.
    pub incoming: u32,
    pub terms: PaidWithoutStock,
    /// When the one comes first that stands first, and the other way round.
    pub ends: [End; 2],
}

pub struct End {
    /// What each said, and how everything stands then.
    pub told: &'static str,
    /// Whether the second has to wait until the first has committed.
    pub waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    AtTheDoor,
    AtTheCommit,
}

impl Pair {
    pub async fn check(&self) {
        let retries = Retries::listen();
        let troupe = Troupe::new().await;
        let [one, other] = self.operations;
        for (order, end) in [[one, other], [other, one]].into_iter().zip(&self.ends) {
            for stop in [Stop::AtTheDoor, Stop::AtTheCommit] {
                let scene = Scene::set(&troupe.stage, self.steps, self.incoming, self.terms).await;
                let (told, waited) = troupe.play(&scene, order, stop).await;
                assert_eq!(told, end.told, "{order:?}, {stop:?}");
                // At the door it may also be the test itself that the second waits for.
                let as_told = stop == Stop::AtTheDoor || waited == end.waits;
                assert!(as_told, "{order:?}: the second waited: {waited}");
                check_audit_clean(&troupe.stage).await;
            }
        }
        assert_eq!(retries.heard(), [""; 0], "nothing was tried again");
    }
}

/// One database, and two shops on it that can be told apart there.
struct Troupe {
    stage: TestShop,
    first: Shop,
    second: Shop,
    /// Holds what the first is stopped with.
    stopper: ByHand,
}

impl Troupe {
    async fn new() -> Self {
        let stage = TestShop::new().await;
        make_code(&stage).await;
        install_stop(&stage.by_hand).await;
        Self {
            first: shop_named(&stage, FIRST).await,
            second: shop_named(&stage, SECOND).await,
            stopper: stage.database.by_hand().await,
            stage,
        }
    }

    /// Has the one come before the other. Returns how it ended, and whether the second waited.
    async fn play(&self, scene: &Scene, order: [Operation; 2], stop: Stop) -> (String, bool) {
        let [one, other] = order;
        let started_late = order == [Operation::Extend, Operation::Expire];
        if order == [Operation::Expire, Operation::Extend] {
            scene.cart_runs_out(&self.stage).await;
        }
        let before = self.stage.database.by_hand().await;
        if started_late {
            before.run(&format!("BEGIN; {}", scene.cart_door())).await;
        } else {
            self.close(scene, one, stop).await;
        }
        let first = start(&self.first, scene, one, false);
        self.until_stopped(FIRST, &first).await;
        if started_late {
            // It has begun while the reservation stood; and that is over now.
            scene.cart_runs_out(&self.stage).await;
            self.close(scene, one, stop).await;
            before.run("COMMIT").await;
            self.until_stopped(FIRST, &first).await;
        }
        let second = start(&self.second, scene, other, one == other);
        self.until_stopped(SECOND, &second).await;
        let waited = !second.is_finished();
        self.open(stop).await;
        let (first, second) = within(PATIENCE, "the end of both", async {
            (
                first.await.expect("no panic"),
                second.await.expect("no panic"),
            )
        })
        .await;
        // A server does so every second: who began to wait while a delivery was on its way is served now.
        self.stage.serve_backorders().await.expect("it is looked");
        scene.check_money_is_back(&self.stage).await;
        let told = scene.told(&self.stage).await;
        (format!("{first}, then {second}: {told}"), waited)
    }

    async fn close(&self, scene: &Scene, first: Operation, stop: Stop) {
        let sql = match stop {
            Stop::AtTheDoor => format!("BEGIN; {}", scene.door(first)),
            Stop::AtTheCommit => format!("SELECT pg_advisory_lock({STOP_LOCK})"),
        };
        self.stopper.run(&sql).await;
    }

    async fn open(&self, stop: Stop) {
        let sql = match stop {
            Stop::AtTheDoor => "COMMIT".to_owned(),
            Stop::AtTheCommit => format!("SELECT pg_advisory_unlock({STOP_LOCK})"),
        };
        self.stopper.run(&sql).await;
    }

    /// Returns once `task`, which works on the connections of that name, waits for a lock, or is done.
    async fn until_stopped(&self, name: &str, task: &JoinHandle<String>) {
        let waits = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND application_name = '{name}' AND cardinality(pg_blocking_pids(pid)) > 0"
        );
        let deadline = Instant::now() + PATIENCE;
        while !task.is_finished() {
            let waiting: i64 = self.stage.by_hand.value(&waits).await;
            if waiting > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{name}: neither waits nor ends");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn start(shop: &Shop, scene: &Scene, operation: Operation, is_rival: bool) -> JoinHandle<String> {
    let (shop, scene) = (shop.clone(), scene.clone());
    tokio::spawn(async move { scene.perform(&shop, operation, is_rival).await })
}

async fn shop_named(stage: &TestShop, name: &'static str) -> Shop {
    let settings = PoolSettings {
        application_name: name,
        ..PATIENT
    };
    Shop::new(stage.database.pool(settings).await, Feed::default())
        .with_gateway(Generous::gateway())
        .with_deadline(Duration::from_secs(60))
}

/// Whatever the first writes has it wait in its COMMIT for a lock that the test holds or does not.
async fn install_stop(by_hand: &ByHand) {
    by_hand
        .run(&format!(
            "CREATE FUNCTION stop_the_first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF current_setting('application_name') = '{FIRST}' THEN PERFORM pg_advisory_xact_lock_shared({STOP_LOCK}); END IF; \
             RETURN NULL; END $$"
        ))
        .await;
    for table in ["hold", "stock", "customer_order", "payment", "refund"] {
        by_hand
            .run(&format!(
                "CREATE CONSTRAINT TRIGGER stop_the_first AFTER INSERT OR UPDATE ON {table} \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stop_the_first()"
            ))
            .await;
    }
}

/// The guard above sees a retry when there is one.
#[tokio::test]
async fn a_transaction_that_is_tried_again_is_heard() {
    let retries = Retries::listen();
    let stage = TestShop::new().await;
    let hasty = PoolSettings {
        lock_timeout: Duration::from_millis(10),
        ..PATIENT
    };
    let shop = Shop::new(stage.database.pool(hasty).await, Feed::default());
    let product = stage.with_product(1).await;
    let cart = stage.cart_of(&[(&product, 1)]).await;
    let queue = stage.database.by_hand().await;
    queue
        .run(&format!(
            "BEGIN; SELECT 1 FROM cart WHERE id = '{cart}' FOR UPDATE"
        ))
        .await;
    let outcome = shop.reserve_cart(cart, None).await;
    queue.run("COMMIT").await;
    assert!(
        outcome.result.is_err() && outcome.attempts > 1,
        "{outcome:?}"
    );
    let heard = retries.heard();
    assert!(
        heard.len() == 1 && heard[0].contains("reserve cart"),
        "{heard:?}"
    );
}
