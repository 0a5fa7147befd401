//! `micro-batch`: orders wait in a bounded queue; one writer writes all waiting orders in one
//! transaction, which is a single statement if all of them can be sold, and answers each after the
//! commit.
//!
//! # Guarantees
//! The rows are locked once for the whole batch, orders with a known key are left out, and orders
//! are admitted in order of arrival (an order that does not fit does not block a smaller one behind
//! it). No order is answered before the commit is on disk. An order that the database rejects fails
//! alone: the others are written without it. After a crash each order is either written or not, and
//! its key tells which.
//!
//! # Cost under contention
//! One lock, one flush and one round trip for all orders that arrived in the meantime: the more
//! buyers, the cheaper each one. A batch of which an order must be refused or was sold before costs
//! four more round trips. The writer never waits for a batch to fill, so a single buyer pays only
//! for two hand-overs through the queue.
//!
//! # Fails as
//! A full queue: 429 with `Retry-After`, at once, instead of a timeout later. A writer that waits
//! for another transaction's lock delays every order; its deadline limits this.
//!
//! # Choose it when
//! One product is hot, and orders come faster than the disk can flush. A checkout's hold is one
//! step of its own transaction and cannot wait for a writer: there, the lines of one cart are taken
//! together.

mod statement;
pub(super) mod transaction;

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use futures::future::BoxFuture;
use sea_orm::FromQueryResult;

use super::row_lock;
use crate::{
    db::{
        dialect, locks,
        txn::{Abort, Outcome, Work},
    },
    model::{Receipt, ShopError, StrategyKey},
    shop::{
        Shop,
        inventory::{
            InjectionPoint, PurchaseRequest,
            batch_queue::{self, BatchOrder, BatchOutcome},
            counters::{self, CounterDelta, Level},
            hold::{HoldRequest, HoldStrategy},
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct MicroBatch;

#[async_trait]
impl PurchaseStrategy for MicroBatch {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let pause = shop.injection_point.run_outside_transaction().await;
        let strategy = StrategyKey::MicroBatch;
        let answer = batch_queue::enqueue_and_wait(shop, strategy, request, write_batch);
        let mut outcome = answer.await;
        outcome.split.pause += pause;
        outcome
    }

    fn queue_length(&self, shop: &Shop, _product_id: i64) -> Option<u64> {
        Some(shop.shared.batch_queue.waiting() as u64)
    }

    fn holding(&self) -> Option<&dyn HoldStrategy> {
        Some(self)
    }
}

/// The queue's writer: see [`run_batch`].
fn write_batch(shop: Shop, orders: Arc<[BatchOrder]>) -> BoxFuture<'static, BatchOutcome> {
    Box::pin(async move { run_batch(&shop, orders).await })
}

/// Writes `orders` in one statement if all of them can be sold, else in a transaction, which finds
/// out which ones can. Returns an answer for each, in their order.
async fn run_batch(shop: &Shop, orders: Arc<[BatchOrder]>) -> BatchOutcome {
    if !dialect::writes_in_expressions(shop.db().reader()) {
        return transaction::run(shop, orders).await;
    }
    let start = Instant::now();
    let outcome = statement::run(shop, Arc::clone(&orders)).await;
    let (result, cost) = outcome.into_parts();
    match result {
        Ok(Some(receipts)) => {
            cost.with_result(Ok(receipts.into_iter().map(Ok::<_, ShopError>).collect()))
        }
        Err(error) if !error.is_undone_by_key_or_amount() => cost.with_result(Err(error)),
        // No buyer waits longer than the deadline, which both attempts share.
        Ok(None) | Err(_) => {
            let shop = row_lock::for_fallback(shop, start);
            transaction::run(&shop, orders).await.with_cost_of(&cost)
        }
    }
}

/// `$1` products, `$2` units of each.
const HOLDS: &str = "
UPDATE stock s SET available = s.available - w.more, reserved = s.reserved + w.more, version = s.version + 1
FROM unnest($1::bigint[], $2::bigint[]) AS w (product_id, more)
WHERE s.product_id = w.product_id AND s.available >= w.more
RETURNING s.product_id, s.available, s.version";

#[derive(Debug, FromQueryResult)]
struct HeldRow {
    product_id: i64,
    available: i64,
    version: i64,
}

#[async_trait]
impl HoldStrategy for MicroBatch {
    async fn hold(
        &self,
        _: &Shop,
        work: &Work,
        injection_point: &InjectionPoint,
        requests: &[HoldRequest],
    ) -> Result<Vec<Level>, Abort> {
        let ids: Vec<i64> = requests.iter().map(|request| request.product_id).collect();
        let rows = locks::stock_rows(work, &ids).await?;
        injection_point.run(work).await?;
        for request in requests {
            let row = rows.iter().find(|row| row.product_id == request.product_id);
            let row = row.ok_or(ShopError::UnknownProduct)?;
            if row.available < request.more {
                return Err(request.refusal(row.available).into());
            }
        }
        if !dialect::writes_in_expressions(work.connection()) {
            return hold_one_by_one(work, requests).await;
        }
        let more: Vec<i64> = requests.iter().map(|request| request.more).collect();
        let statement = dialect::statement(HOLDS, [ids.into(), more.into()]);
        let held = HeldRow::find_by_statement(statement)
            .all(work.connection())
            .await?;
        requests
            .iter()
            .map(|request| {
                let row = held.iter().find(|row| row.product_id == request.product_id);
                row.map(|row| Level {
                    available: row.available,
                    version: row.version,
                })
                .ok_or(Abort::Conflict)
            })
            .collect()
    }
}

/// Reserves from rows that are locked.
async fn hold_one_by_one(work: &Work, requests: &[HoldRequest]) -> Result<Vec<Level>, Abort> {
    let mut levels = Vec::with_capacity(requests.len());
    for request in requests {
        let delta = CounterDelta::hold(request.more);
        let level = counters::apply(work, request.product_id, delta).await?;
        levels.push(level.ok_or(Abort::Conflict)?);
    }
    Ok(levels)
}
