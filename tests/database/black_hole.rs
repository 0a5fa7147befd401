//! A database that stops answering without closing its connections, which no network timeout
//! notices in time. Every request is answered within five seconds, no answer is a false success,
//! and the shop recovers.

use std::time::{Duration, Instant};

use doorbuster::{
    db::{
        Db, PoolSettings, dialect,
        txn::{self, Policy, TxnError},
    },
    feed::Feed,
    model::ShopError,
    shop::Shop,
};
use futures::future::{BoxFuture, join_all};

use crate::support::{
    TestProduct, TestShop, check_audit_clean, patient,
    proxy::Proxy,
    sessions::{self, Session},
    shop::{claim, contact, units_of},
    within,
};

/// The time limit of a request.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// The rest is for a machine that is busy with other tests. Two deadlines one after the other take
/// longer.
const ANSWER_MAX: Duration = Duration::from_secs(8);
/// Much shorter than the time after which the network notices a dead connection.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test proxied",
    transactions_max: 4,
    readers_max: 2,
    ..PoolSettings::SHOP
};

async fn shop_behind(proxy: &Proxy) -> Shop {
    let db = Db::connect(proxy.url(), POOL)
        .await
        .expect("the connection works");
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
                async move { shop.catalog().products().await.map(drop) }
            }),
        ),
        (
            "categories",
            Box::pin({
                let shop = each();
                async move { shop.catalog().categories().await.map(drop) }
            }),
        ),
        (
            "product by slug",
            Box::pin({
                let shop = each();
                async move {
                    shop.catalog()
                        .product_by_slug("flash-sale-smartphone")
                        .await
                        .map(drop)
                }
            }),
        ),
        (
            "product by id",
            Box::pin({
                let shop = each();
                async move { shop.catalog().product_by_id(id).await.map(drop) }
            }),
        ),
        (
            "cart",
            Box::pin({
                let shop = each();
                async move { shop.carts().view(Some(cart)).await.map(drop) }
            }),
        ),
        (
            "cart unit count",
            Box::pin({
                let shop = each();
                async move { shop.carts().unit_count(Some(cart)).await.map(drop) }
            }),
        ),
        (
            "draft",
            Box::pin({
                let shop = each();
                async move { shop.carts().draft(Some(cart)).await.map(drop) }
            }),
        ),
        (
            "order",
            Box::pin({
                let shop = each();
                async move {
                    shop.orders()
                        .find(&uuid::Uuid::now_v7().to_string())
                        .await
                        .map(drop)
                }
            }),
        ),
        (
            "latest orders",
            Box::pin({
                let shop = each();
                async move { shop.orders().latest(5).await.map(drop) }
            }),
        ),
        (
            "add to cart",
            Box::pin({
                let shop = each();
                async move {
                    shop.carts()
                        .add(Some(cart), id, units_of(1), None)
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
                    shop.carts()
                        .save_draft(
                            cart,
                            &crate::support::shop::draft(contact("ann@example.com")),
                        )
                        .await
                }
            }),
        ),
        ("purchase", buy(shop, product, "while-silent")),
        (
            "admin password",
            Box::pin({
                let shop = each();
                async move {
                    shop.administrators()
                        .check_password("guess")
                        .await
                        .map(drop)
                }
            }),
        ),
    ]
}

/// Runs all calls and checks that each reports in time that the database is unavailable.
async fn check_answered_in_time(
    calls: Vec<(&'static str, BoxFuture<'static, Result<(), ShopError>>)>,
) {
    let deadline = POOL.read_deadline.max(txn::REQUEST_DEADLINE);
    assert!(deadline < REQUEST_MAX, "{deadline:?}");
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
        .expect("the connection works");
    proxy.drop_traffic();
    check_answered_in_time(calls(&proxied, &product, cart)).await;
    assert_eq!(
        shop.units_ordered(&product).await,
        1,
        "nothing was bought while the database was silent"
    );
    proxy.restore();
    check_recovers(&proxied, &product).await;
    check_audit_clean(&shop).await;
}

/// The statement has been sent when the connection dies: the read waits for its answer, not for a
/// connection.
#[tokio::test]
async fn a_database_that_stops_answering_during_a_read_is_unavailable_within_five_seconds() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    proxy.drop_traffic_after("per_customer_limit");
    let read = {
        let shop = proxied.clone();
        async move { shop.catalog().products().await.map(drop) }
    };
    check_answered_in_time(vec![("products", Box::pin(read))]).await;
    proxy.restore();
    check_recovers(&proxied, &product).await;
}

/// The transaction may have committed or not. The shop reports this, and the idempotency key finds
/// out.
#[tokio::test]
async fn a_commit_without_an_answer_is_resolved_by_its_key() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    proxy.drop_traffic_after("COMMIT");
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
        "never a false success"
    );
    assert!(begin.elapsed() < ANSWER_MAX, "{:?}", begin.elapsed());
    proxy.restore();
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

/// Every connection is in the middle of a statement when the network dies, and each would keep its
/// place in the pool until the network notices.
#[tokio::test]
async fn a_pool_full_of_dead_connections_is_replaced() {
    let shop = TestShop::new().await;
    let product = shop.with_product(10).await;
    let proxy = Proxy::before(shop.database.url()).await;
    let proxied = shop_behind(&proxy).await;
    let sleeping = Duration::from_millis(3_500);
    let transactions = (0..POOL.transactions_max).map(|_| {
        let db = proxied.db().clone();
        tokio::spawn(async move {
            let slept = txn::run_for_result(&db, Policy::request("asleep"), move |work| {
                Box::pin(async move {
                    dialect::sleep(work.connection(), sleeping).await?;
                    Ok(())
                })
            });
            slept.await.map_err(ShopError::from)
        })
    });
    let reads = (0..POOL.readers_max).map(|_| {
        let db = proxied.db().clone();
        tokio::spawn(async move {
            let slept = dialect::sleep(db.reader(), sleeping).await;
            slept.map_err(txn::read_error)
        })
    });
    let all: Vec<_> = transactions.chain(reads).collect();
    let sleeps = |session: &Session| {
        session.is_active && session.statement.to_lowercase().contains("sleep(")
    };
    sessions::wait_until(&shop.by_hand, "sleep", sleeps, |count| count == all.len()).await;
    proxy.drop_traffic();
    let answers = within(Duration::from_secs(30), "all answers", join_all(all)).await;
    for answer in answers {
        let answer = answer.expect("it ends");
        assert_eq!(answer, Err(ShopError::Unavailable { retry_after_s: 2 }));
    }
    proxy.restore();
    check_recovers(&proxied, &product).await;
    check_audit_clean(&shop).await;
}

/// Once the database answers again, the shop works again, although no dead connection was closed by
/// the other side.
async fn check_recovers(shop: &Shop, product: &TestProduct) {
    let deadline = Instant::now() + RECOVERY_MAX;
    loop {
        match buy(shop, product, "afterwards").await {
            Ok(()) => break,
            Err(error) => assert!(
                Instant::now() < deadline,
                "{RECOVERY_MAX:?} after the connection was restored: {error}"
            ),
        }
    }
    // Every connection works, not just one.
    let all = (0..POOL.transactions_max).map(|_| {
        txn::run_for_result(shop.db(), patient("all"), |work| {
            Box::pin(async move {
                dialect::sleep(work.connection(), Duration::from_millis(100)).await?;
                Ok(())
            })
        })
    });
    let results: Vec<Result<(), TxnError>> = join_all(all).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
