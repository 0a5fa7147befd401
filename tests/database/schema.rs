//! The migrations, and the database that is created if it does not exist.

use doorbuster::{
    db::{
        PoolSettings,
        connect::{self, ConnectError},
        engine::Engine,
        schema::{self, Step},
    },
    shop::seed,
};
use futures::future::join_all;

use crate::support::{PATIENCE, TestDatabase, TestShop, check_audit_clean, program::run, within};

/// The migrations that a test reverts, if the engine's history has as many above its first one.
const REVERTED_MAX: usize = 5;

const POOL: PoolSettings = PoolSettings {
    transactions_max: 1,
    readers_max: 1,
    ..PoolSettings::COMMAND
};

async fn applied(database: &TestDatabase) -> Vec<bool> {
    let steps = schema::status(database.url())
        .await
        .expect("the migrations are listed");
    steps.into_iter().map(|step| step.applied).collect()
}

/// Several servers start at the same moment on one empty database.
#[tokio::test]
async fn four_servers_may_start_at_once() {
    let database = TestDatabase::empty().await;
    let start = async || {
        schema::migrate(database.url(), Step::Up)
            .await
            .expect("the schema exists afterwards");
        let db = database.pool(POOL).await;
        let written =
            schema::under_lock(database.url(), async |_| Ok(seed::fill_if_empty(&db).await)).await;
        db.close().await;
        written
            .expect("the lock is taken")
            .expect("the catalogue exists afterwards")
    };
    let written = within(PATIENCE, "four starts", join_all((0..4).map(|_| start()))).await;
    let by_hand = database.by_hand().await;
    let products: i64 = by_hand.value("SELECT count(*) FROM product").await;
    assert!(products >= 24);
    let mut written: Vec<i64> = written.into_iter().map(|count| count as i64).collect();
    written.sort_unstable();
    assert_eq!(
        written,
        [0, 0, 0, products],
        "one of them wrote the catalogue"
    );
    assert!(applied(&database).await.iter().all(|applied| *applied));
}

#[tokio::test]
async fn each_migration_can_be_reverted_and_applied_again() {
    let database = TestDatabase::empty().await;
    let steps = applied(&database).await.len();
    assert_eq!(applied(&database).await, vec![false; steps]);
    for _ in 0..2 {
        schema::migrate(database.url(), Step::Up).await.expect("up");
        assert_eq!(applied(&database).await, vec![true; steps]);
        for left in (0..steps).rev() {
            schema::migrate(database.url(), Step::Down)
                .await
                .expect("one migration is reverted");
            let still = applied(&database)
                .await
                .iter()
                .filter(|applied| **applied)
                .count();
            assert_eq!(still, left);
        }
    }
    let tables: i64 = database
        .by_hand()
        .await
        .value("SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name <> 'seaql_migrations'")
        .await;
    assert_eq!(tables, 0, "no table remains after the last revert");
}

/// A shop with a paid order and an express purchase.
async fn shop_with_orders() -> TestShop {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.paid(&[(&product, 2)], "ann@example.com").await;
    shop.buy(&product).await.expect("it is sold");
    shop
}

/// The numbers and amounts of all orders.
async fn orders_of(shop: &TestShop) -> String {
    shop.by_hand
        .value(
            "SELECT string_agg(id || ' ' || status || ' ' || total_cents, ', ' ORDER BY id) \
             FROM customer_order",
        )
        .await
}

#[tokio::test]
async fn the_last_migrations_are_reverted_and_applied_again_on_a_shop_with_orders() {
    let shop = shop_with_orders().await;
    let (url, orders) = (shop.database.url(), orders_of(&shop).await);
    let steps = applied(&shop.database).await.len();
    let reverted = REVERTED_MAX.min(steps - 1);
    for _ in 0..reverted {
        schema::migrate(url, Step::Down)
            .await
            .expect("one migration is reverted");
    }
    let still = applied(&shop.database).await;
    assert_eq!(
        still.iter().filter(|applied| **applied).count(),
        steps - reverted
    );
    schema::migrate(url, Step::Up).await.expect("up");
    assert_eq!(applied(&shop.database).await, vec![true; steps]);
    assert_eq!(orders_of(&shop).await, orders);
    check_audit_clean(&shop).await;
}

/// MySQL's history begins with the whole schema, PostgreSQL's has a migration for each subject.
#[tokio::test]
async fn a_migration_is_not_reverted_if_that_would_drop_orders() {
    let shop = shop_with_orders().await;
    let (url, orders) = (shop.database.url(), orders_of(&shop).await);
    let refused = loop {
        if let Err(error) = schema::migrate(url, Step::Down).await {
            break error.to_string();
        }
    };
    let table = match shop.by_hand.engine() {
        Engine::Postgres => "'payment'",
        Engine::MySql => "'customer_order'",
    };
    assert!(
        refused.contains(table) && refused.contains("Nothing was changed"),
        "{refused}"
    );
    let command = run(Some(url), &["migrate", "down"]).await;
    let printed = &command.check_code(1).stderr;
    assert!(printed.contains(&refused), "{printed}");
    schema::migrate(url, Step::Up).await.expect("up");
    assert_eq!(orders_of(&shop).await, orders);
    assert_eq!(shop.count("payment").await, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn fresh_drops_everything_and_applies_all() {
    let database = TestDatabase::seeded().await;
    for _ in 0..2 {
        schema::migrate(database.url(), Step::Fresh)
            .await
            .expect("fresh");
        assert!(applied(&database).await.iter().all(|applied| *applied));
        let products: i64 = database
            .by_hand()
            .await
            .value("SELECT count(*) FROM product")
            .await;
        assert_eq!(products, 0);
    }
    let db = database.pool(POOL).await;
    assert!(seed::fill_if_empty(&db).await.expect("it is seeded") >= 24);
    assert_eq!(
        seed::fill_if_empty(&db)
            .await
            .expect("it is seeded already"),
        0
    );
}

/// Applied migrations stay as they are, and their data is kept.
#[tokio::test]
async fn up_on_a_current_schema_changes_nothing() {
    let database = TestDatabase::seeded().await;
    schema::migrate(database.url(), Step::Up).await.expect("up");
    let first: String = database
        .by_hand()
        .await
        .value("SELECT name FROM product WHERE id = 1")
        .await;
    assert_eq!(first, "Flash Sale Smartphone");
}

#[tokio::test]
async fn several_servers_create_a_missing_database_once() {
    let database = TestDatabase::absent().await;
    let absent = doorbuster::db::Db::connect(database.url(), POOL).await;
    assert!(matches!(absent, Err(ConnectError::Unreachable(_))));
    let created = join_all((0..4).map(|_| connect::ensure_database(database.url()))).await;
    for result in created {
        result.expect("each finds it or creates it");
    }
    let one: i64 = database.by_hand().await.value("SELECT 1::bigint").await;
    assert_eq!(one, 1);
    connect::ensure_database(database.url())
        .await
        .expect("it still exists");
}

#[tokio::test]
async fn an_invalid_url_is_reported_without_its_password() {
    for url in [
        "sqlite://user:hush@localhost/shop",
        "not a url",
        "postgres//user:hush@x",
    ] {
        let error = connect::ensure_database(url).await.expect_err(url);
        assert!(matches!(error, ConnectError::Url(_)), "{error:?}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
