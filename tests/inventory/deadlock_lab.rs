//! The deadlock lab: carts of several items, with and without an order in which rows are locked.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use doorbuster::{
    db::{
        engine::Engine,
        locks,
        txn::{self, Abort, Outcome, Policy, TxnError, Work},
    },
    model::ShopError,
    shop::inventory::{InjectionPoint, counters},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;
use tokio::sync::watch;

use crate::support::{
    Gate, PATIENCE, TestProduct, TestShop, check_audit_clean, patient, retries::RetryLog, seed,
    shop::Counters, within,
};

/// Locks the products in the order in which they were put into the cart: this is the mistake.
async fn lock_in_cart_order(
    work: &Work,
    ids: &[i64],
    after_first: &InjectionPoint,
) -> Result<(), Abort> {
    for (place, id) in ids.iter().enumerate() {
        let row = locks::stock_row(work, *id).await?;
        let row = row.ok_or(ShopError::UnknownProduct)?;
        if row.available < 1 {
            return Err(ShopError::CartEmpty.into());
        }
        if place == 0 {
            after_first.run(work).await?;
        }
    }
    Ok(())
}

/// Holds one unit of each product and releases it, so that the counters end as they were.
async fn hold_and_release(work: &Work, ids: &[i64]) -> Result<(), Abort> {
    for delta in [1, -1] {
        for id in ids {
            let held = counters::apply(work, *id, counters::CounterDelta::hold(delta)).await?;
            held.ok_or(ShopError::CartEmpty)?;
        }
    }
    Ok(())
}

/// A cart that is retried only after `first_has_committed`: otherwise it could block the other cart
/// again before that one wakes up.
fn unordered_cart(
    shop: &TestShop,
    ids: Vec<i64>,
    after_first: InjectionPoint,
    first_has_committed: watch::Sender<bool>,
) -> tokio::task::JoinHandle<Outcome<()>> {
    let db = shop.db().clone();
    tokio::spawn(async move {
        let (attempts, committed) = (Arc::new(AtomicU32::new(0)), first_has_committed.clone());
        let outcome = txn::run(&db, patient("unordered cart"), move |work| {
            let (ids, after_first) = (ids.clone(), after_first.clone());
            let (attempts, mut committed) = (Arc::clone(&attempts), committed.subscribe());
            Box::pin(async move {
                if attempts.fetch_add(1, Ordering::Relaxed) > 0 {
                    let waited = committed.wait_for(|committed| *committed).await;
                    assert!(waited.is_ok(), "the sender outlives the carts");
                }
                lock_in_cart_order(work, &ids, &after_first).await?;
                hold_and_release(work, &ids).await
            })
        })
        .await;
        first_has_committed.send_replace(true);
        outcome
    })
}

async fn check_stock_is_unchanged(shop: &TestShop, products: &[TestProduct]) {
    for product in products {
        let level = shop.level(product).await;
        let expected = Counters {
            total: 100,
            available: 100,
            reserved: 0,
            sold: 0,
        };
        assert_eq!(level, expected);
    }
}

/// Each cart has locked the first item of the other. The database aborts one of them, which is
/// retried and succeeds.
#[tokio::test]
async fn without_a_lock_order_two_carts_deadlock_and_both_succeed_after_a_retry() {
    let shop = TestShop::new().await;
    let products = [shop.with_product(100).await, shop.with_product(100).await];
    let [one, two] = [products[0].id, products[1].id];
    let gate = Gate::closed();
    let committed = watch::Sender::new(false);
    let carts = [vec![one, two], vec![two, one]]
        .map(|ids| unordered_cart(&shop, ids, gate.injection_point(), committed.clone()));
    gate.arrivals(2).await;
    gate.open();
    let mut attempts = 0;
    for cart in carts {
        let outcome = within(PATIENCE, "the cart", cart).await.expect("it ends");
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        attempts += outcome.attempts;
    }
    assert_eq!(attempts, 3, "one of the two was retried");
    check_stock_is_unchanged(&shop, &products).await;
    check_audit_clean(&shop).await;
}

/// The same without a retry: the error that the shopper would see.
#[tokio::test]
async fn the_aborted_transaction_gets_the_deadlock_error() {
    let shop = TestShop::new().await;
    let [one, two] = [
        shop.with_product(100).await.id,
        shop.with_product(100).await.id,
    ];
    let gate = Gate::closed();
    let once = Policy {
        attempts_max: 1,
        ..patient("unordered cart, once")
    };
    let carts = [[one, two], [two, one]].map(|ids| {
        let (db, injection_point) = (shop.db().clone(), gate.injection_point());
        tokio::spawn(async move {
            txn::run_for_result(&db, once, move |work| {
                let injection_point = injection_point.clone();
                Box::pin(async move { lock_in_cart_order(work, &ids, &injection_point).await })
            })
            .await
        })
    });
    gate.arrivals(2).await;
    gate.open();
    let mut ended = Vec::new();
    for cart in carts {
        let result = within(PATIENCE, "the cart", cart).await.expect("it ends");
        if let Err(TxnError::Exhausted { source, .. }) = result {
            ended.extend(doorbuster::db::engine::error_code(&source));
        }
    }
    assert_eq!(
        ended,
        [match shop.db().engine() {
            Engine::Postgres => "40P01",
            Engine::MySql => "1213",
        }]
    );
}

/// The shop's own code locks rows by id, whatever the order in the cart. No transaction is retried.
#[tokio::test]
async fn with_a_lock_order_many_carts_never_deadlock() {
    const CARTS: usize = 24;
    let seed = seed();
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let retries = RetryLog::capture();
    let shop = TestShop::new().await;
    let mut products = Vec::new();
    for _ in 0..5 {
        products.push(shop.with_product(100).await);
    }
    let mut carts = Vec::new();
    for _ in 0..CARTS {
        let mut lines: Vec<_> = products.iter().collect();
        lines.shuffle(&mut rng);
        let lines: Vec<_> = lines.into_iter().map(|product| (product, 1)).collect();
        carts.push(shop.cart_of(&lines).await);
    }
    let reserving: Vec<_> = carts
        .into_iter()
        .map(|cart| {
            let shop = shop.handle();
            tokio::spawn(async move { shop.reservations().reserve(cart, None).await })
        })
        .collect();
    for cart in reserving {
        let outcome = within(PATIENCE, "the cart", cart).await.expect("it ends");
        assert!(outcome.result.is_ok(), "seed {seed}: {:?}", outcome.result);
    }
    assert_eq!(retries.lines(), Vec::<String>::new(), "seed {seed}");
    for product in &products {
        assert_eq!(
            shop.level(product).await.reserved,
            i64::try_from(CARTS).expect("small")
        );
    }
    check_audit_clean(&shop).await;
}
