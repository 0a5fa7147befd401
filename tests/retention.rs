//! Retention: old data is deleted in small batches, which neither disturb sales nor the audit.

use std::time::Duration;

use doorbuster::{
    db::retention::{self, BATCH_ROWS, Deleted},
    model::{DatabaseEngine, LessonKey, SimulationPlan, StrategyKey, plan::Journey},
    shop::idempotency::OLD_KEYS,
    simulation::{Engine, lessons, store},
    web::maintenance::old_data::run_round,
};

use crate::{
    support::{
        PATIENCE, TestShop, administrator, check_audit_clean, provider::OnDemand, shop::units_of,
        within,
    },
    web::support::{Visitor, state},
};

/// Rows that are deleted in two and a half batches.
const OLD_ROWS: u64 = 5 * BATCH_ROWS as u64 / 2;

const YOUNG_KEY: &str = "a-young-key-0123456789";

/// Stores old idempotency keys. Their deletions are recorded in the table `batch`, one row each.
async fn with_old_keys(shop: &TestShop) {
    let keys = format!(
        "INSERT INTO idempotency_key (key, fingerprint, response, created_at) \
         SELECT 'old-key-' || n, repeat('0', 64), 'null', CURRENT_TIMESTAMP - INTERVAL '73 hours' \
         FROM generate_series(1, {OLD_ROWS}) n"
    );
    shop.by_hand.run(&keys).await;
    shop.by_hand
        .run(match shop.db().engine() {
            DatabaseEngine::Postgres => {
                "CREATE TABLE batch (id bigint GENERATED ALWAYS AS IDENTITY, deleted bigint); \
                 CREATE FUNCTION record_batch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                   INSERT INTO batch (deleted) SELECT count(*) FROM gone; RETURN NULL; END $$; \
                 CREATE TRIGGER record_batch AFTER DELETE ON idempotency_key REFERENCING OLD TABLE AS gone \
                   FOR EACH STATEMENT EXECUTE FUNCTION record_batch()"
            }
            // Its triggers run for each row; a statement has one time.
            DatabaseEngine::MySql => {
                "CREATE TABLE batch (id datetime(6) PRIMARY KEY, deleted bigint); \
                 CREATE TRIGGER record_batch AFTER DELETE ON idempotency_key FOR EACH ROW \
                   INSERT INTO batch VALUES (NOW(6), 1) ON DUPLICATE KEY UPDATE deleted = deleted + 1"
            }
        })
        .await;
}

#[tokio::test]
async fn a_transaction_deletes_at_most_one_batch() {
    let shop = TestShop::new().await;
    with_old_keys(&shop).await;
    let product = shop.with_product(3).await;
    shop.buy(&product).key(YOUNG_KEY).await.expect("it is sold");

    let deleted = retention::delete(shop.db(), &OLD_KEYS, PATIENCE).await;

    let expected = Deleted {
        count: OLD_ROWS,
        is_complete: true,
    };
    assert_eq!(deleted.expect("they are deleted"), expected);
    let batches: String = shop
        .by_hand
        .value("SELECT string_agg(deleted::text, ' ' ORDER BY id) FROM batch")
        .await;
    assert_eq!(batches, "250 250 125");
    let left: String = shop.by_hand.value("SELECT key FROM idempotency_key").await;
    assert_eq!(left, YOUNG_KEY);
}

/// A round that has no time left stops, counts what is left, and is continued by the next one.
#[tokio::test]
async fn an_interrupted_round_counts_what_is_left_and_is_continued() {
    let shop = TestShop::new().await;
    with_old_keys(&shop).await;
    let interrupted = run_round(shop.db(), Duration::ZERO).await;
    assert!(!interrupted.is_complete());
    let left: Vec<_> = interrupted
        .kinds
        .iter()
        .filter_map(|kind| kind.left_in_words())
        .collect();
    assert_eq!(left, [format!("{OLD_ROWS} idempotency keys")]);

    let complete = run_round(shop.db(), PATIENCE).await;
    assert!(complete.is_complete(), "{complete:?}");
    let deleted: u64 = complete.kinds.iter().map(|kind| kind.deleted).sum();
    assert_eq!(deleted, OLD_ROWS);
    assert_eq!(shop.count("idempotency_key").await, 0);
}

#[tokio::test]
async fn the_admin_page_shows_how_much_old_data_is_left() {
    let shop = TestShop::new().await;
    with_old_keys(&shop).await;
    let state = state(shop.handle(), shop.database.url(), "http://shop.test");
    let mut admin = Visitor::at(state.clone());
    admin.sign_in(&shop).await;
    for (round, shown) in [
        (
            None,
            "the first check for old data is in progress.".to_owned(),
        ),
        (
            Some(Duration::ZERO),
            format!("{OLD_ROWS} idempotency keys left to delete at 20"),
        ),
        (Some(PATIENCE), "all old data was deleted at 20".to_owned()),
    ] {
        if let Some(kind_max) = round {
            state.retention.set(run_round(shop.db(), kind_max).await);
        }
        let page = admin.page("/admin").await.body;
        assert!(page.contains(&shown), "{shown} in {page}");
    }
}

/// An error in one kind of data does not keep the others from being deleted.
#[tokio::test]
async fn a_kind_that_cannot_be_deleted_does_not_stop_the_others() {
    let shop = TestShop::new().await;
    with_old_keys(&shop).await;
    shop.by_hand
        .run("INSERT INTO cart (id, changed_at) VALUES (gen_random_uuid(), CURRENT_TIMESTAMP - INTERVAL '31 days')")
        .await;
    shop.by_hand
        .run(match shop.db().engine() {
            DatabaseEngine::Postgres => {
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
                 CREATE TRIGGER refuse BEFORE DELETE ON cart FOR EACH ROW EXECUTE FUNCTION refuse()"
            }
            DatabaseEngine::MySql => {
                "CREATE TRIGGER refuse BEFORE DELETE ON cart FOR EACH ROW SIGNAL SQLSTATE '45000'"
            }
        })
        .await;
    let report = run_round(shop.db(), PATIENCE).await;
    let left: Vec<_> = report
        .kinds
        .iter()
        .map(|kind| (kind.name, kind.deleted, kind.left))
        .filter(|(_, deleted, left)| (*deleted, *left) != (0, Some(0)))
        .collect();
    assert_eq!(
        left,
        [
            ("carts", 0, Some(1)),
            ("idempotency keys", OLD_ROWS, Some(0))
        ]
    );
}

/// A batch is stopped in its transaction; everything else goes on.
#[tokio::test]
async fn shoppers_buy_while_a_batch_is_being_deleted() {
    let shop = TestShop::new().await;
    with_old_keys(&shop).await;
    let product = shop.with_product(3).await;
    let stopper = shop.database.by_hand().await;
    stopper
        .run(match shop.db().engine() {
            DatabaseEngine::Postgres => "SELECT pg_advisory_lock(7)",
            DatabaseEngine::MySql => "SELECT GET_LOCK(CONCAT(DATABASE(), '/7'), 600)",
        })
        .await;
    shop.by_hand
        .run(match shop.db().engine() {
            DatabaseEngine::Postgres => {
                "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                   PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$; \
                 CREATE TRIGGER stop AFTER DELETE ON idempotency_key FOR EACH STATEMENT EXECUTE FUNCTION stop()"
            }
            DatabaseEngine::MySql => {
                "CREATE TRIGGER stop AFTER DELETE ON idempotency_key FOR EACH ROW \
                   DO GET_LOCK(CONCAT(DATABASE(), '/7'), 600), RELEASE_LOCK(CONCAT(DATABASE(), '/7'))"
            }
        })
        .await;
    let deleting = tokio::spawn({
        let shop = shop.handle();
        async move { retention::delete(shop.db(), &OLD_KEYS, PATIENCE).await }
    });
    shop.until_blocked(1).await;

    within(PATIENCE, "sales beside retention", async {
        shop.buy(&product)
            .key("a-new-key-0123456789")
            .await
            .expect("it is sold");
        let added = shop.carts().add(None, product.id, units_of(1), None).await;
        added.expect("it goes into the cart");
    })
    .await;
    assert!(!deleting.is_finished());

    stopper
        .run(match shop.db().engine() {
            DatabaseEngine::Postgres => "SELECT pg_advisory_unlock(7)",
            DatabaseEngine::MySql => "DO RELEASE_ALL_LOCKS()",
        })
        .await;
    let deleted = within(PATIENCE, "the deletion", deleting).await;
    let deleted = deleted.expect("it ends").expect("they are deleted");
    assert_eq!(deleted.count, OLD_ROWS);
}

/// The class and the id of the lock of retention, which each batch needs.
const TURN: (i32, i32) = (3, 0);

/// Runs of a checkout, of an exhibit, and of the lesson whose orders use a discount code.
async fn with_old_runs(shop: &TestShop) {
    let engine = Engine::new(shop.database.url().to_owned(), shop.feed().clone())
        .with_gateway(std::sync::Arc::new(OnDemand::on(shop.database.url())));
    let plan = SimulationPlan {
        buyers: 6,
        stock: 4,
        ..SimulationPlan::preset()
    };
    let checkout = SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        journey: Journey::Checkout,
        ..plan.clone()
    };
    let express = SimulationPlan {
        strategies: vec![StrategyKey::SkipLockedUnits, StrategyKey::Unguarded],
        ..plan
    };
    for plan in [checkout, express] {
        let started = engine.start(&administrator(), plan).await;
        let ended = engine.finish(started.expect("the run starts"), &[], |_| {});
        ended.await.expect("the run ends");
    }
    lessons::play(&administrator(), shop, LessonKey::CouponTwice, None)
        .await
        .expect("the lesson is played");
    shop.by_hand
        .run("UPDATE simulation_run SET started_at = started_at - INTERVAL '31 days'")
        .await;
}

#[tokio::test]
async fn the_audit_is_clean_after_every_batch_of_a_run() {
    let shop = TestShop::new().await;
    let products = shop.count("product").await;
    with_old_runs(&shop).await;
    check_audit_clean(&shop).await;
    let turns = shop.database.by_hand().await;
    turns.lock_in_class(TURN).await;
    let mut pruned = 0;
    let mut audits = 0;
    // A batch that waits for too long ends with an error, and the next call continues.
    while store::count_old(shop.db()).await.expect("they are counted") > 0 {
        let pruning = tokio::spawn({
            let shop = shop.handle();
            async move { store::prune(shop.db(), PATIENCE).await }
        });
        while !pruning.is_finished() {
            turns.unlock_in_class(TURN).await;
            // The lock is fair: a batch that waits for it comes first.
            turns.lock_in_class(TURN).await;
            check_audit_clean(&shop).await;
            audits += 1;
        }
        let ended = pruning.await.expect("it does not panic");
        pruned += ended.map_or(0, |deleted| deleted.count);
    }
    assert!(audits > 10, "{audits} audits for {pruned} runs");
    assert_eq!(shop.count("product").await, products);
    for table in [
        "customer_order",
        "discount_code",
        "simulation_lane",
        "hold",
        "simulation_sample",
    ] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    check_audit_clean(&shop).await;
}
