//! The rules of the audit about Redis: the gates beside their rows, the queue beside the orders.

use super::{Shop, audit::RuleResult, gates, gates::GatesError, inventory::gate::StockGate, queue};
use crate::{db::Db, feed::Feed};

/// Checks the rules on these connections; there are none without Redis. While Redis does not
/// answer, a rule is not checked and not violated: its gates let nothing through, and its queue is
/// not written.
pub async fn check(db: &Db, gate: Option<StockGate>) -> Vec<RuleResult> {
    let shop = Shop::new(db.clone(), Feed::default()).with_gate(gate);
    let checks = [
        (&gates::RULE, shop.gates().audit().await),
        (&queue::RULE, shop.queue().audit().await),
    ];
    let results = checks
        .into_iter()
        .filter_map(|(rule, result)| match result {
            Ok(result) => Some(result),
            Err(GatesError::NoRedis) => None,
            Err(error) => Some(RuleResult::unchecked(rule, error.to_string())),
        });
    results.collect()
}
