//! Entries that Redis has lost, although it knows their orders: the stream was trimmed or deleted
//! by hand, or restored without its end. Without an entry, no consumer would decide the order, and
//! its buyer would wait for ever.

use uuid::Uuid;

use super::{
    OrderQueue,
    scripts::{OLDEST, RESTORE},
};
use crate::redis::Unavailable;

/// The most orders that are looked at. A lost one is among the oldest soon, because the others are
/// decided.
const LOOKED_AT_MAX: usize = 1_000;

impl OrderQueue {
    /// Looks for the entries of the orders that wait the longest, and appends those that are gone
    /// to the queue again, under the same ids and keys. Any number of servers may do this at the
    /// same time. Returns the orders.
    pub async fn restore_lost(&self) -> Result<Vec<Uuid>, Unavailable> {
        let [stream, counters, _, waiting] = self.0.keys().of_queue();
        let mut keys = vec![stream, counters, waiting.clone()];
        let at_most = [LOOKED_AT_MAX.to_string()];
        let oldest: Vec<String> = self.0.redis().run(&OLDEST, &[waiting], &at_most).await?;
        if oldest.is_empty() {
            return Ok(Vec::new());
        }
        let oldest = parsed(&oldest);
        keys.extend(oldest.iter().map(|id| {
            let [of_order, _] = self.0.keys().of_queued(*id, "");
            of_order
        }));
        let ids: Vec<String> = oldest.iter().map(Uuid::to_string).collect();
        let restored: Vec<String> = self.0.redis().run(&RESTORE, &keys, &ids).await?;
        Ok(parsed(&restored))
    }
}

fn parsed(ids: &[String]) -> Vec<Uuid> {
    ids.iter()
        .filter_map(|id| Uuid::try_parse(id).ok())
        .collect()
}
