//! Faults of the payment provider and of its events.

use std::time::Duration;

use doorbuster::payment::provider::test_cards;

use super::{
    fault::Fault,
    metrics::{Change, Metric, metric},
    scene::Scene,
};

/// Payments of shoppers that took longer than 2.5 s: the shop waits for a response for 3 s.
const SLOW_PAYMENTS: Metric = metric!(Change::Grows;
    1.0 * "doorbuster_checkout_duration_seconds_count" { "journey": "pay" }
    -1.0 * "doorbuster_checkout_duration_seconds_bucket" { "journey": "pay", "le": "2.5" }
);
/// A payment has three events: each of them that arrives again is one more webhook.
const REPEATED_WEBHOOKS: Metric = metric!(Change::StaysHigher;
    1.0 * "doorbuster_transaction_attempts_total" { "transaction": "process webhook" }
    -3.0 * "doorbuster_transaction_attempts_total" { "transaction": "begin payment" }
);

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "provider: charges, and loses its response",
        card: test_cards::ANSWER_LOST_WITHOUT_WEBHOOK,
        lasts: Duration::from_secs(6),
        moves: SLOW_PAYMENTS,
        ..Fault::NONE
    },
    Fault {
        name: "provider: stopped (SIGSTOP)",
        cause: |scene| Box::pin(stop(scene)),
        lasts: Duration::from_secs(6),
        moves: SLOW_PAYMENTS,
        ..Fault::NONE
    },
    Fault {
        name: "provider: events twice, in reverse order, late",
        card: test_cards::WEBHOOKS_TWICE_REVERSED,
        // The last events come 2.5 s after their payment.
        lasts: Duration::from_secs(8),
        moves: REPEATED_WEBHOOKS,
        felt_by: Some(REPEATED_WEBHOOKS),
        ..Fault::NONE
    },
];

async fn stop(scene: &mut Scene) {
    let provider = scene.runner.provider().expect("the server has started it");
    scene.held.stop(provider);
}
