//! The deadlock lab: carts of several items, with and without an order in which rows are locked.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use doorbuster::{
    db::{
        locks,
        txn::{self, Abort, Outcome, Policy, TxnError, Work},
    },
    model::ShopError,
    shop::inventory::{Seam, counters},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;
use tokio::sync::watch;

use crate::support::{
    Gate, PATIENCE, TestProduct, TestShop, check_audit_clean, retries::Retries, seed,
    shop::Counters, within,
};

/// A cart that locks its products in the order in which they were put into it: the mistake itself.
async fn lock_as_they_come(work: &Work, ids: &[i64], after_first: &Seam) -> Result<(), Abort> {
    for (place, id) in ids.iter().enumerate() {
        let row = locks::stock_row(work, *id).await?;
        let row = row.ok_or(ShopError::UnknownProduct)?;
        if row.available < 1 {
            return Err(ShopError::CartEmpty.into());
        }
        if place == 0 {
            after_first.pass(work).await?;
        }
    }
    Ok(())
}

/// Takes one unit of each and gives it back, so that the books stay as they are.
async fn take_and_give_back(work: &Work, ids: &[i64]) -> Result<(), Abort> {
    for shift in [1, -1] {
        for id in ids {
            let held = counters::apply(work, *id, counters::Shift::hold(shift)).await?;
            held.ok_or(ShopError::CartEmpty)?;
        }
    }
    Ok(())
}

/// A cart that is tried again only when `somebody_is_through`: else it could bar the other's way once more before that one has woken up.
fn unordered_cart(
    shop: &TestShop,
    ids: Vec<i64>,
    after_first: Seam,
    somebody_is_through: watch::Sender<bool>,
) -> tokio::task::JoinHandle<Outcome<()>> {
    let db = shop.db().clone();
    tokio::spawn(async move {
        let (tries, through) = (Arc::new(AtomicU32::new(0)), somebody_is_through.clone());
        let outcome = txn::run(&db, Policy::request("unordered cart"), move |work| {
            let (ids, after_first) = (ids.clone(), after_first.clone());
            let (tries, mut through) = (Arc::clone(&tries), through.subscribe());
            Box::pin(async move {
                if tries.fetch_add(1, Ordering::Relaxed) > 0 {
                    let waited = through.wait_for(|through| *through).await;
                    assert!(waited.is_ok(), "the sender outlives the carts");
                }
                lock_as_they_come(work, &ids, &after_first).await?;
                take_and_give_back(work, &ids).await
            })
        })
        .await;
        somebody_is_through.send_replace(true);
        outcome
    })
}

async fn shelf_is_untouched(shop: &TestShop, products: &[TestProduct]) {
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

/// Each has locked the first item of the other. The database ends one of the two, which is tried again and goes through.
#[tokio::test]
async fn without_an_order_two_carts_lock_each_other_out_and_both_survive() {
    let shop = TestShop::new().await;
    let products = [shop.with_product(100).await, shop.with_product(100).await];
    let [one, two] = [products[0].id, products[1].id];
    let gate = Gate::closed();
    let through = watch::Sender::new(false);
    let carts = [vec![one, two], vec![two, one]]
        .map(|ids| unordered_cart(&shop, ids, gate.seam(), through.clone()));
    gate.arrivals(2).await;
    gate.open();
    let mut attempts = 0;
    for cart in carts {
        let outcome = within(PATIENCE, "the cart", cart).await.expect("it ends");
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
        attempts += outcome.attempts;
    }
    assert_eq!(attempts, 3, "one of the two had to begin anew");
    shelf_is_untouched(&shop, &products).await;
    check_audit_clean(&shop).await;
}

/// The same without a second attempt: what the shopper would see.
#[tokio::test]
async fn the_one_that_the_database_ends_is_told_40p01() {
    let shop = TestShop::new().await;
    let [one, two] = [
        shop.with_product(100).await.id,
        shop.with_product(100).await.id,
    ];
    let gate = Gate::closed();
    let once = Policy {
        attempts_max: 1,
        ..Policy::request("unordered cart, once")
    };
    let carts = [[one, two], [two, one]].map(|ids| {
        let (db, seam) = (shop.db().clone(), gate.seam());
        tokio::spawn(async move {
            txn::run_for_result(&db, once, move |work| {
                let seam = seam.clone();
                Box::pin(async move { lock_as_they_come(work, &ids, &seam).await })
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
            ended.extend(doorbuster::db::dialect::sqlstate(&source));
        }
    }
    assert_eq!(ended, ["40P01"]);
}

/// The shop's own way: whatever the order in the cart, rows are locked by id. Not one transaction is tried again.
#[tokio::test]
async fn with_an_order_no_crowd_of_carts_ever_deadlocks() {
    const CARTS: usize = 24;
    let seed = seed();
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let retries = Retries::listen();
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
            tokio::spawn(async move { shop.reserve_cart(cart, None).await })
        })
        .collect();
    for cart in reserving {
        let outcome = within(PATIENCE, "the cart", cart).await.expect("it ends");
        assert!(outcome.result.is_ok(), "seed {seed}: {:?}", outcome.result);
    }
    assert_eq!(retries.heard(), Vec::<String>::new(), "seed {seed}");
    for product in &products {
        assert_eq!(
            shop.level(product).await.reserved,
            i64::try_from(CARTS).expect("small")
        );
    }
    check_audit_clean(&shop).await;
}
