//! Forces one operation's critical section to run before another's. Each pair is run in two ways.
//!
//! *At the last lock*: a connection of the test holds the row that the first operation locks last.
//! So the first waits there with all its earlier locks, the second runs as far as it can, and then
//! both are released. If one of them locked rows in another order, each would now hold a lock that
//! the other needs.
//!
//! *At the commit*: a deferred trigger stops the first operation when it has done all its work and
//! none of it is visible yet. So the second reads data that is as old as possible.

use std::time::{Duration, Instant};

use doorbuster::{
    config::PaidWithoutStock,
    db::{PoolSettings, engine::Engine},
    feed::Feed,
    shop::Shop,
};
use tokio::task::JoinHandle;

use super::scenario::{Operation, RefundingGateway, Scenario, Step, create_code};
use crate::support::{
    PATIENCE, TestShop, check_audit_clean,
    database::ByHand,
    retries::RetryLog,
    sessions::{self, Session},
    within,
};

const FIRST: &str = "pair: first";
const SECOND: &str = "pair: second";
/// "pair" in ASCII.
const STOP_LOCK: u32 = 0x7061_6972;

/// Nothing times out before the test does, so every retry means a deadlock.
const LONG_TIMEOUTS: PoolSettings = PoolSettings {
    application_name: "pair",
    transactions_max: 2,
    readers_max: 1,
    lock_timeout: Duration::from_secs(60),
    statement_timeout: Duration::from_secs(60),
    ..PoolSettings::SHOP
};

/// Two operations, the scenario they run on, and the expected ends.
pub struct Pair {
    pub operations: [Operation; 2],
    pub steps: &'static [Step],
    /// Units received by a restock.
    pub incoming: u32,
    pub terms: PaidWithoutStock,
    /// The expected ends if the first operation runs first, and in the other order.
    pub ends: [ExpectedEnd; 2],
}

pub struct ExpectedEnd {
    /// The result of each operation, and the final state.
    pub outcome: &'static str,
    /// Whether the second must wait until the first has committed.
    pub waits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StopPoint {
    AtLastLock,
    AtCommit,
}

/// The reservation expires while its extension waits for a lock.
const LATE_EXTENSION: [Operation; 2] = [Operation::Extend, Operation::Expire];
/// On PostgreSQL, a transaction has the time of its start. On MySQL, each statement has its own,
/// and the one after the wait finds the reservation expired. The sweep skips the rows that are
/// locked.
const LATE_EXTENSION_ON_MYSQL: &str =
    "ReservationExpired, then 0 swept: 0 available, 1 held, 0 sold";

impl StopPoint {
    /// MySQL has no deferred triggers, which stop a commit.
    fn of(engine: Engine) -> Vec<Self> {
        match engine {
            Engine::Postgres => vec![Self::AtLastLock, Self::AtCommit],
            Engine::MySql => vec![Self::AtLastLock],
        }
    }
}

impl Pair {
    pub async fn check(&self) {
        let retries = RetryLog::capture();
        let runner = PairRunner::new().await;
        let [one, other] = self.operations;
        for (order, end) in [[one, other], [other, one]].into_iter().zip(&self.ends) {
            for stop in StopPoint::of(runner.shop.db().engine()) {
                let scenario =
                    Scenario::set(&runner.shop, self.steps, self.incoming, self.terms).await;
                let (outcome, waited) = runner.run_pair(&scenario, order, stop).await;
                let expected = match (runner.shop.db().engine(), order) {
                    (Engine::MySql, LATE_EXTENSION) => LATE_EXTENSION_ON_MYSQL,
                    _ => end.outcome,
                };
                assert_eq!(outcome, expected, "{order:?}, {stop:?}");
                // At the last lock, the second may also wait for the test's own connection.
                let as_expected = stop == StopPoint::AtLastLock || waited == end.waits;
                assert!(as_expected, "{order:?}: the second waited: {waited}");
                // What a late extension leaves is not for the next sweep to count.
                let swept = runner.shop.reservations().sweep_expired().await;
                swept.expect("the sweep succeeds");
                check_audit_clean(&runner.shop).await;
            }
        }
        assert_eq!(retries.lines(), [""; 0], "no transaction was retried");
    }
}

/// One database, and two shops on it with different application names.
struct PairRunner {
    shop: TestShop,
    first: Shop,
    second: Shop,
    /// Holds the lock that stops the first operation.
    stopper: ByHand,
}

impl PairRunner {
    async fn new() -> Self {
        let shop = TestShop::new().await;
        create_code(&shop).await;
        if shop.db().engine() == Engine::Postgres {
            install_stop(&shop.by_hand).await;
        }
        Self {
            first: shop_named(&shop, FIRST).await,
            second: shop_named(&shop, SECOND).await,
            stopper: shop.database.by_hand().await,
            shop,
        }
    }

    /// Runs one operation before the other. Returns the outcome, and whether the second waited.
    async fn run_pair(
        &self,
        scenario: &Scenario,
        order: [Operation; 2],
        stop: StopPoint,
    ) -> (String, bool) {
        let [one, other] = order;
        let started_late = order == LATE_EXTENSION;
        if order == [Operation::Expire, Operation::Extend] {
            scenario.expire_cart(&self.shop).await;
        }
        let before = self.shop.database.by_hand().await;
        if started_late {
            before
                .run(&format!("BEGIN; {}", scenario.cart_lock()))
                .await;
        } else {
            self.close(scenario, one, stop).await;
        }
        let first = start(&self.first, scenario, one, false);
        self.until_stopped(FIRST, &first).await;
        if started_late {
            // The transaction started before the reservation expired; now it expires.
            scenario.expire_cart(&self.shop).await;
            self.close(scenario, one, stop).await;
            before.run("COMMIT").await;
            self.until_stopped(FIRST, &first).await;
        }
        let second = start(&self.second, scenario, other, one == other);
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
        // A server does this every second: it serves backorders that were created during a
        // delivery.
        self.shop
            .backorders()
            .fulfill(PATIENCE)
            .await
            .expect("it is looked");
        scenario.check_money_is_back(&self.shop).await;
        let outcome = scenario.outcome(&self.shop).await;
        (format!("{first}, then {second}: {outcome}"), waited)
    }

    async fn close(&self, scenario: &Scenario, first: Operation, stop: StopPoint) {
        let sql = match stop {
            StopPoint::AtLastLock => format!("BEGIN; {}", scenario.last_lock(first)),
            StopPoint::AtCommit => format!("SELECT pg_advisory_lock({STOP_LOCK})"),
        };
        self.stopper.run(&sql).await;
    }

    async fn open(&self, stop: StopPoint) {
        let sql = match stop {
            StopPoint::AtLastLock => "COMMIT".to_owned(),
            StopPoint::AtCommit => format!("SELECT pg_advisory_unlock({STOP_LOCK})"),
        };
        self.stopper.run(&sql).await;
    }

    /// Waits until `task`, whose connections have that application name, waits for a lock or has
    /// finished.
    async fn until_stopped(&self, name: &str, task: &JoinHandle<String>) {
        let waits = |session: &Session| session.name == name && session.is_blocked;
        let deadline = Instant::now() + PATIENCE;
        while !task.is_finished() {
            if sessions::count(&self.shop.by_hand, waits).await > 0 {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{name}: it neither waits nor finishes"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn start(
    shop: &Shop,
    scenario: &Scenario,
    operation: Operation,
    is_rival: bool,
) -> JoinHandle<String> {
    let (shop, scenario) = (shop.clone(), scenario.clone());
    tokio::spawn(async move { scenario.perform(&shop, operation, is_rival).await })
}

async fn shop_named(shop: &TestShop, name: &'static str) -> Shop {
    let settings = PoolSettings {
        application_name: name,
        ..LONG_TIMEOUTS
    };
    Shop::new(shop.database.pool(settings).await, Feed::default())
        .with_gateway(RefundingGateway::gateway())
        .with_deadline(Duration::from_secs(60))
}

/// Installs triggers that make the first operation's COMMIT wait for an advisory lock if the test
/// holds it.
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

/// The check for retries above detects a retry.
#[tokio::test]
async fn a_retried_transaction_is_logged() {
    let retries = RetryLog::capture();
    let test_shop = TestShop::new().await;
    let short_timeout = PoolSettings {
        lock_timeout: Duration::from_millis(10),
        ..LONG_TIMEOUTS
    };
    let shop = Shop::new(
        test_shop.database.pool(short_timeout).await,
        Feed::default(),
    );
    let product = test_shop.with_product(1).await;
    let cart = test_shop.cart_of(&[(&product, 1)]).await;
    let holder = test_shop.database.by_hand().await;
    holder
        .run(&format!(
            "BEGIN; SELECT 1 FROM cart WHERE id = '{cart}' FOR UPDATE"
        ))
        .await;
    let outcome = shop.reservations().reserve(cart, None).await;
    holder.run("COMMIT").await;
    assert!(
        outcome.result.is_err() && outcome.attempts > 1,
        "{outcome:?}"
    );
    let logged = retries.lines();
    assert!(
        logged.len() == 1 && logged[0].contains("reserve cart"),
        "{logged:?}"
    );
}
