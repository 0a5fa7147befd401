//! Writes the orders that wait in the queue.

use tokio_util::sync::CancellationToken;

use crate::shop::Shop;

/// Writes what waits, until the server stops; without Redis there is no queue. Several servers may
/// do this at the same time.
pub async fn consume(shop: Shop, shutdown: CancellationToken) {
    shop.queue().consume(&shutdown).await;
}
