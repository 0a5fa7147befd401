//! What a buyer asks of an express purchase.

use crate::{model::Quantity, shop::idempotency::Claim};

/// A request to buy units of one product.
#[derive(Clone, Debug)]
pub struct PurchaseRequest {
    pub product_id: i64,
    pub quantity: Quantity,
    /// The caller's idempotency key, if it sent one.
    pub claim: Option<Claim>,
    /// The workbench lane for which a simulated buyer asks.
    pub lane_id: Option<i64>,
}
