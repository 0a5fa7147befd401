//! Taking stock: what the safe strategies promise, and that the unsafe one breaks it.

mod exhibit;
mod guards;
mod mixed;
mod races;
mod refusals;

use doorbuster::model::StrategyKey;

/// What may sell a product of the shop.
const SAFE: [StrategyKey; 2] = [StrategyKey::RowLock, StrategyKey::ConditionalUpdate];

#[test]
fn every_safe_strategy_is_tested_here() {
    let safe: Vec<_> = StrategyKey::ALL
        .into_iter()
        .filter(|key| key.is_safe())
        .collect();
    assert_eq!(safe, SAFE);
}
