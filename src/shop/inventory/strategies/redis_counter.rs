//! `redis-counter`: reserves at a counter in Redis, then updates the row conditionally.
//!
//! # Guarantees
//! The row decides, as with `conditional-update`: never oversold. Never undersold: a counter that
//! has too few units sends the buyer to the row, which refuses under its lock. Only a refusal that
//! is less than 100 ms old is repeated by Redis. A lost, flushed, restarted or old Redis, a crash
//! between Redis and the database, a restock and a stock-take change what the counter knows, and
//! nothing else; see [`crate::shop::inventory::gate`].
//!
//! # Cost under contention
//! Two calls to Redis for each purchase, one before the transaction and one after its commit. The
//! row is locked for as long as with `conditional-update`. Once the counter is empty, few buyers
//! reach the row.
//!
//! # Fails as
//! A Redis that is unavailable: after 200 ms once, and then at once, buyers go to the row.
//!
//! # Choose it when
//! Many servers request a sold-out product, and the database should not receive every request.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    db::txn::{Abort, Outcome, Work},
    model::{Receipt, StrategyKey},
    shop::{
        Shop,
        inventory::{
            PurchaseRequest,
            counters::Level,
            gate::{LEASE, Ticket, take},
            purchase_transaction,
            sale::Sale,
            strategy::PurchaseStrategy,
        },
    },
};

/// See the module's documentation.
pub struct RedisCounter;

#[async_trait]
impl PurchaseStrategy for RedisCounter {
    async fn purchase(&self, shop: &Shop, request: PurchaseRequest) -> Outcome<Receipt> {
        let strategy = StrategyKey::RedisCounter;
        let Some(gate) = shop.gate() else {
            return Outcome::refused(strategy.needs_redis());
        };
        let ticket = Ticket::reserve(gate, strategy, &request, LEASE).await;
        let ticket = Arc::new(ticket);
        let sold = purchase_transaction::run_with(
            shop,
            strategy,
            request,
            Arc::clone(&ticket),
            |work, sale, ticket| Box::pin(pause_and_take(work, sale, ticket)),
        );
        ticket.close(sold.await).await
    }
}

async fn pause_and_take(work: &Work, sale: &Sale, ticket: &Ticket) -> Result<Option<Level>, Abort> {
    sale.injection_point.run(work).await?;
    take::take(work, sale, ticket).await
}
