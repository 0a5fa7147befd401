//! A database that falls silent without hanging up, which no timeout of the network notices in time: within five seconds there is an
//! answer, it is never a false yes, and the shop recovers.

use std::time::{Duration, Instant};

use doorbuster::{
    db::{
        Db, PoolSettings,
        txn::{self, Policy, TxnError},
    },
    feed::Feed,
    model::ShopError,
    shop::Shop,
};
use futures::future::{BoxFuture, join_all};
use sea_orm::ConnectionTrait;

use crate::support::{
    TestProduct, TestShop, check_audit_clean,
    proxy::Proxy,
    race,
    shop::{claim, contact, units_of},
    within,
};

/// What a request may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test proxied",
    transactions_max: 4,
    readers_max: 2,
    ..PoolSettings::SHOP
};

async fn shop_behind(proxy: &Proxy) -> Shop {
    let db = Db::connect(proxy.url(), POOL)
        .await
        .expect("the line is up");
    Shop::new(db, Feed::default())
}

fn buy(shop: &Shop, product: &TestProduct, key: &str) -> BoxFuture<'static, Result<(), ShopError>> {
    let request = doorbuster::shop::inventory::PurchaseRequest {
        product_id: product.id,
        quantity: units_of(1),
        claim: Some(claim(key, "purchase", &[])),
        lane_id: None,
    };
    let shop = shop.clone();
    Box::pin(async move {
        let outcome = shop
            .purchase(doorbuster::model::StrategyKey::RowLock, request)
            .await;
        outcome.result.map(drop).map_err(ShopError::from)
    })
}

/// Every kind of call, by name.
fn calls(
    shop: &Shop,
    product: &TestProduct,
    cart: uuid::Uuid,
) -> Vec<(&'static str, BoxFuture<'static, Result<(), ShopError>>)> {
    let each = || shop.clone();
    let id = product.id;
    vec![
        (
            "products",
            Box::pin({
                let shop = each();
                async move { shop.products(None).await.map(drop) }
            }),
        ),
        (
            "categories",
            Box::pin({
                let shop = each();
                async move { shop.categories().await.map(drop) }
            }),
        ),
        (
            "product by slug",
            Box::pin({
                let shop = each();
                async move {
                    shop.product_by_slug("flash-sale-smartphone")
                        .await
                        .map(drop)
                }
            }),
        ),
        (
            "product by id",
            Box::pin({
                let shop = each();
                async move { shop.product_by_id(id).await.map(drop) }
            }),
        ),
        (
            "cart",
            Box::pin({
                let shop = each();
                async move { shop.cart(Some(cart)).await.map(drop) }
            }),
        ),
        (
            "cart unit count",
            Box::pin({
                let shop = each();
                async move { shop.cart_unit_count(Some(cart)).await.map(drop) }
            }),
        ),
        (
            "draft",
            Box::pin({
                let shop = each();
                async move { shop.draft(Some(cart)).await.map(drop) }
            }),
        ),
        (
            "order",
            Box::pin({
                let shop = each();
                async move {
                    shop.order(&uuid::Uuid::now_v7().to_string())
                        .await
                        .map(drop)
                }
            }),
        ),
        (
            "latest orders",
            Box::pin({
                let shop = each();
                async move { shop.latest_orders(5).await.map(drop) }
            }),
        ),
        (
            "add to cart",
            Box::pin({
                let shop = each();
                async move {
                    shop.add_to_cart(Some(cart), id, units_of(1), None)
                        .await
                        .map(drop)
                }
            }),
        ),
        (
            "keep draft",
            Box::pin({
                let shop = each();
                async move {
                    shop.keep_draft(
                        cart,
                        &crate::support::shop::draft(contact("ann@example.com")),
                    )
                    .await
                }
            }),
        ),
        ("purchase", buy(shop, product, "in-the-dark")),
        (
            "admin password",
            Box::pin({
                let shop = each();
                async move { shop.is_admin_password("guess").await.map(drop) }
            }),
        ),
    ]
}

/// Runs each call on its own and sees that the shop says, in time, that it cannot reach its database.
async fn check_answered_in_time(
    calls: Vec<(&'static str, BoxFuture<'static, Result<(), ShopError>>)>,
) {
    let all = calls.into_iter().map(|(name, call)| async move {
        let begin = Instant::now();
        let answer = within(Duration::from_secs(30), name, call).await;
        (name, answer, begin.elapsed())
    });
    for (name, answer, took) in join_all(all).await {
        assert_eq!(
            answer,
            Err(ShopError::Unavailable { retry_after_s: 2 }),
            "{name}"
        );
        assert!(took < ANSWER_MAX, "{name} took {took:?}");
    }
}

#[tokio::test]
async fn a_silent_database_is_unavailable_within_five_seconds() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    buy(&proxied, &product, "before")
        .await
        .expect("the line is up");
    proxy.go_dead();
    check_answered_in_time(calls(&proxied, &product, cart)).await;
    assert_eq!(
        shop.units_ordered(&product).await,
        1,
        "nothing was bought in the dark"
    );
    proxy.mend();
    check_recovers(&proxied, &product).await;
    check_audit_clean(&shop).await;
}

/// The statement has been sent when the line goes dead: the wait is for its answer, not for a connection.
#[tokio::test]
async fn a_database_that_falls_silent_in_the_middle_of_a_read_is_unavailable_within_five_seconds() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    proxy.go_dead_after("per_customer_limit");
    let read = {
        let shop = proxied.clone();
        async move { shop.products(None).await.map(drop) }
    };
    check_answered_in_time(vec![("products", Box::pin(read))]).await;
    proxy.mend();
    check_recovers(&proxied, &product).await;
}

/// It may have committed or not. The shop says so, and the key finds out.
#[tokio::test]
async fn a_database_that_falls_silent_in_commit_is_asked_again_by_key() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    proxy.go_dead_after("COMMIT");
    let begin = Instant::now();
    let answer = within(
        Duration::from_secs(30),
        "an answer",
        buy(&proxied, &product, "lost"),
    )
    .await;
    assert_eq!(
        answer,
        Err(ShopError::OutcomeUnknown { retry_after_s: 2 }),
        "never a false yes"
    );
    assert!(begin.elapsed() < ANSWER_MAX, "{:?}", begin.elapsed());
    proxy.mend();
    check_recovers(&proxied, &product).await;
    buy(&proxied, &product, "lost")
        .await
        .expect("the same key has its answer");
    assert_eq!(
        shop.units_ordered(&product).await,
        2,
        "one by this key, one by the recovery"
    );
    check_audit_clean(&shop).await;
}

/// Every connection is in the middle of a statement when the line goes dead, and each would keep its place in the pool for as long as the
/// network does not notice.
#[tokio::test]
async fn a_pool_full_of_dead_connections_is_replaced() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    let sleeping = "SELECT pg_sleep(3.5)";
    let transactions = (0..POOL.transactions_max).map(|_| {
        let db = proxied.db().clone();
        tokio::spawn(async move {
            let slept = txn::run_for_result(&db, Policy::request("asleep"), move |work| {
                Box::pin(async move {
                    work.connection().execute_unprepared(sleeping).await?;
                    Ok(())
                })
            });
            slept.await.map_err(ShopError::from)
        })
    });
    let reads = (0..POOL.readers_max).map(|_| {
        let db = proxied.db().clone();
        tokio::spawn(async move {
            let slept = db.reader().execute_unprepared(sleeping).await;
            slept.map(drop).map_err(txn::read_error)
        })
    });
    let all: Vec<_> = transactions.chain(reads).collect();
    let count = i64::from(POOL.transactions_max + POOL.readers_max);
    race::wait_until(&shop.by_hand, count, "sleep", "wait_event = 'PgSleep'").await;
    proxy.go_dead();
    let answers = within(Duration::from_secs(30), "all answers", join_all(all)).await;
    for answer in answers {
        let answer = answer.expect("it ends");
        assert_eq!(answer, Err(ShopError::Unavailable { retry_after_s: 2 }));
    }
    proxy.mend();
    check_recovers(&proxied, &product).await;
    check_audit_clean(&shop).await;
}

/// Once the database is back, so is the shop, although no dead connection was ever told that it is dead.
async fn check_recovers(shop: &Shop, product: &TestProduct) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match buy(shop, product, "afterwards").await {
            Ok(()) => break,
            Err(error) => assert!(
                Instant::now() < deadline,
                "ten seconds after the line was mended: {error}"
            ),
        }
    }
    // And all of it, not just one lucky connection.
    let everybody = (0..POOL.transactions_max).map(|_| {
        txn::run_for_result(shop.db(), Policy::request("everybody"), |work| {
            Box::pin(async move {
                work.connection()
                    .execute_unprepared("SELECT pg_sleep(0.1)")
                    .await?;
                Ok(())
            })
        })
    });
    let results: Vec<Result<(), TxnError>> = join_all(everybody).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
