//! What waits to leave the shop: the events of the outbox, and the orders in the queue in Redis.

use std::fmt;

use super::{Metrics, NO_LABELS, Writer, count, number, seconds};
use crate::web::health::queried::Queried;

impl Metrics {
    /// Writes what waits, and what was deleted while it waited.
    pub(super) fn write_waiting(
        &self,
        writer: &mut Writer<'_, '_>,
        queried: Option<&Queried>,
    ) -> fmt::Result {
        let work = queried.map(|queried| queried.shop);
        writer.gauges(
            "doorbuster_outbox_events_waiting",
            "Events that the subscriber has not acknowledged, counted up to 100,000; 0 without a subscription",
            work.map(|work| (NO_LABELS, number(work.events_waiting))),
        )?;
        writer.gauges(
            "doorbuster_outbox_oldest_waiting_age_seconds",
            "Age of the oldest of the counted events",
            work.map(|work| (NO_LABELS, seconds(work.oldest_event_us))),
        )?;
        writer.counters(
            "doorbuster_outbox_events_deleted_undelivered",
            "Events that this server deleted, because no subscriber had acknowledged them for seven days",
            [(NO_LABELS, self.state.retention.undelivered_events())],
        )?;
        let queue = queried.and_then(|queried| queried.order_queue);
        writer.gauges(
            "doorbuster_order_queue_orders_waiting",
            "Accepted orders in the queue in Redis that are neither written nor rejected yet",
            queue.map(|queue| (NO_LABELS, count(queue.waiting))),
        )?;
        writer.gauges(
            "doorbuster_order_queue_oldest_waiting_age_seconds",
            "Age of the oldest order in the queue in Redis that is neither written nor rejected yet",
            queue.map(|queue| (NO_LABELS, queue.oldest.as_secs_f64())),
        )?;
        writer.gauges(
            "doorbuster_order_queue_dead_letters",
            "Accepted orders that could not be written, and wait for an administrator",
            queue.map(|queue| (NO_LABELS, count(queue.dead_letters))),
        )
    }
}
