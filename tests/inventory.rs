//! Taking stock: what the safe strategies promise, and that the unsafe ones break it.

mod deadlock_lab;
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

/// What never oversells and never undersells.
fn safe() -> Vec<StrategyKey> {
    chosen(StrategyKey::is_safe)
}

/// What may sell a product of the shop.
fn shop_worthy() -> Vec<StrategyKey> {
    chosen(StrategyKey::may_sell_in_shop)
}

fn chosen(choose: fn(StrategyKey) -> bool) -> Vec<StrategyKey> {
    let all = StrategyKey::ALL.into_iter();
    all.filter(|strategy| choose(*strategy)).collect()
}
