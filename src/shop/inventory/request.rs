//! What a buyer asks of an express purchase.

use crate::{model::Quantity, shop::idempotency::Claim};

/// A request to buy units of one product.
#[derive(Clone, Debug)]
pub struct PurchaseRequest {
    pub product_id: i64,
    pub quantity: Quantity,
    /// The caller's idempotency key, if it sent one.
    pub claim: Option<Claim>,
    /// The workbench lane whose buyer asks; `None` for every other caller. Only a caller who has
    /// opened the lane, or has checked that the request carries the secret of its run, may set it:
    /// a private product is sold to the buyers of its lane only.
    pub lane_id: Option<i64>,
}
