//! Announcing a stock level to everyone who shows it, after its commit and never before.

use super::counters::Level;
use crate::{db::txn::Work, feed::StockChange, shop::Shop};

/// Announces `level` once the transaction has committed.
pub fn announce_after_commit(work: &Work, shop: &Shop, product_id: i64, level: Level) {
    let shop = shop.clone();
    work.after_commit(move || announce(&shop, product_id, level));
}

/// Announces a committed level.
pub fn announce(shop: &Shop, product_id: i64, level: Level) {
    shop.feed.publish(StockChange {
        product_id,
        available: level.available,
        version: level.version,
    });
}
