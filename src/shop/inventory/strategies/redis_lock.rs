//! `redis-lock`: takes a lock in Redis with a fencing token, reads, compares, and writes with the
//! token, which the row checks.
//!
//! # Guarantees
//! The lock is a lease: it can run out while its holder is paused, and another buyer takes it. So
//! the row decides: it stores the token of its last writer, and rejects a smaller or equal one. The
//! update is also relative and conditional, so the strategy may mix with others, which take no lock
//! in Redis. A holder that is rejected, or finds too few units, asks the row under its own lock.
//! Tokens that Redis loses, or a lock that two buyers have, cost time and nothing else.
//!
//! # Cost under contention
//! Buyers of one product pass one at a time, as with `row-lock`, with two calls to Redis in
//! addition. They wait in the servers' memory, without a connection; one buyer of each server polls
//! Redis, so there is no order of arrival between servers.
//!
//! # Fails as
//! A holder that dies keeps the lock for a second. A Redis that is unavailable: buyers use the row
//! lock.
//!
//! # Choose it when
//! The work to serialize is outside of the database, and what it writes can check a token. For a
//! row of a database, the row's own lock is simpler.

use std::time::Instant;

use async_trait::async_trait;

use super::row_lock::{self, RowLock};
use crate::{
    config::crash_point,
    db::{
        locks,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest,
            counters::{self, Level},
            gate::{LockedPurchase, ProductLock},
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RedisLock;

#[async_trait]
impl PurchaseStrategy for RedisLock {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::RedisLock;
        let Some(gate) = shop.gate() else {
            return Outcome::refused(strategy.needs_redis());
        };
        let queued = Instant::now();
        // A buyer who does not get the lock has as much time left at the row.
        let purchase = LockedPurchase::begin(gate, request.product_id, shop.deadline / 2).await;
        let shop = &row_lock::for_fallback(shop, queued);
        let Some(lock) = purchase.lock() else {
            let mut outcome = RowLock.purchase(shop, request).await;
            outcome.fallbacks += 1;
            return purchase.end(outcome).await;
        };
        crash_point::pass("after locking by", strategy.as_str());
        let sold =
            purchase_transaction::run_with(shop, strategy, request, lock, |work, sale, lock| {
                Box::pin(take(work, sale, lock))
            });
        let outcome = sold.await;
        crash_point::pass("before unlocking by", strategy.as_str());
        purchase.end(outcome).await
    }

    fn queue_length(&self, shop: &Shop, product_id: i64) -> Option<u64> {
        shop.gate().map(|gate| gate.waiting_for_lock(product_id))
    }
}

async fn take(work: &Work, sale: &Sale, lock: &ProductLock) -> Result<Option<Level>, Abort> {
    let read = sale.read(work).await?;
    sale.injection_point.run(work).await?;
    if sale.has_enough(&read)? {
        let (id, token) = (sale.offer.id, lock.token());
        if let Some(level) = counters::sell_fenced(work, id, sale.quantity, token).await? {
            return Ok(Some(level));
        }
    }
    let row = locks::stock_row(work, sale.offer.id)
        .await?
        .ok_or(ShopError::UnknownProduct)?;
    lock.found(row.fence);
    sale.take_from(work, &row).await.map(Some)
}
