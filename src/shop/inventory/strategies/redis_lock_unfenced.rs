//! `redis-lock-unfenced`: takes a lock in Redis, reads, compares, and writes the new value.
//! **Unsafe on purpose.**
//!
//! # Guarantees
//! None. The lock is a lease: if its holder is paused for longer than the lease, another buyer
//! takes the lock, and both write what they have computed. Nothing tells the row that the first
//! holder is too late. It runs only on private lanes, whose row has no stock constraints.
//!
//! # Cost under contention
//! That of `redis-lock`.
//!
//! # Fails as
//! Correct in every test, and oversold in the first long pause: of a garbage collector, a slow
//! disk, a virtual machine that is moved. The counter looks right; only the order lines show it.
//!
//! # Choose it when
//! You want to show why a lock with a lease needs a token that the row checks.

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest,
            counters::{self, Level},
            gate::LockedPurchase,
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RedisLockUnfenced;

#[async_trait]
impl PurchaseStrategy for RedisLockUnfenced {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::RedisLockUnfenced;
        let Some(gate) = shop.gate() else {
            return Outcome::refused(strategy.needs_redis());
        };
        let purchase = LockedPurchase::begin(gate, request.product_id, shop.deadline / 2).await;
        let Some(lock) = purchase.lock() else {
            let busy = Outcome::refused(ShopError::Busy { retry_after_s: 1 });
            return purchase.end(busy).await;
        };
        let sold =
            purchase_transaction::run_holding(shop, strategy, request, lock, |work, sale| {
                Box::pin(take(work, sale))
            });
        let outcome = sold.await;
        purchase.end(outcome).await
    }

    fn queue_length(&self, shop: &Shop, product_id: i64) -> Option<u64> {
        shop.gate().map(|gate| gate.waiting_for_lock(product_id))
    }
}

async fn take(work: &Work, sale: &Sale) -> Result<Option<Level>, Abort> {
    let read = sale.read_and_compare(work).await?;
    sale.injection_point.run(work).await?;
    let (available, sold) = (read.available - sale.units(), read.sold + sale.units());
    counters::overwrite(work, &read, available, sold)
        .await
        .map(Some)
        .map_err(Abort::from)
}
