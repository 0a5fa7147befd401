//! Selling stock: the guarantees of the safe strategies, and that the unsafe ones break them.

mod committed;
mod deadlock_lab;
mod engines;
mod exhibits;
mod guards;
mod micro_batch;
mod mixed;
mod queue;
mod races;
mod refusals;
mod sold_out;
mod statements;

use doorbuster::model::StrategyKey;

use crate::support::strategies;

/// The strategies that never oversell and never undersell.
fn safe() -> Vec<StrategyKey> {
    chosen(StrategyKey::is_safe)
}

/// The strategies that may sell a product of the shop.
fn shop_worthy() -> Vec<StrategyKey> {
    chosen(StrategyKey::may_sell_in_shop)
}

fn chosen(choose: fn(StrategyKey) -> bool) -> Vec<StrategyKey> {
    strategies().filter(|strategy| choose(*strategy)).collect()
}
