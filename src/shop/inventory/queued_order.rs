//! An order in the queue of `redis-stream`, as an entry contains it. What makes it unique is
//! decided before it is queued: its id and its idempotency key.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::PurchaseRequest;
use crate::{
    model::Quantity,
    shop::{
        idempotency::{Claim, Key},
        orders::public_id,
    },
};

/// An order in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedOrder {
    /// The public id that the order will have.
    pub order_id: Uuid,
    pub product_id: i64,
    pub quantity: Quantity,
    key: String,
    fingerprint: String,
    lane_id: Option<i64>,
}

impl QueuedOrder {
    /// An order with a new id. A request without an idempotency key gets one of its own.
    pub fn new(request: &PurchaseRequest) -> Self {
        let order_id = public_id::new();
        let claim = match &request.claim {
            Some(claim) => claim.clone(),
            None => Claim::new(Key::of_queue(order_id), "purchase", &[]),
        };
        Self {
            order_id,
            product_id: request.product_id,
            quantity: request.quantity,
            key: claim.key().to_owned(),
            fingerprint: claim.fingerprint().to_owned(),
            lane_id: request.lane_id,
        }
    }

    /// The same order under the id that it got when its key was accepted before.
    #[must_use]
    pub fn accepted_as(self, order_id: Uuid) -> Self {
        Self { order_id, ..self }
    }

    /// The idempotency key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The fingerprint of the request.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// True for the order of a shopper, and false for that of a simulated buyer.
    pub fn is_of_shop(&self) -> bool {
        self.lane_id.is_none()
    }

    /// True if the caller chose the key, so that another order may have the same one.
    pub fn has_callers_key(&self) -> bool {
        self.key != Key::of_queue(self.order_id).as_str()
    }

    /// The idempotency key, with the fingerprint of the request.
    pub fn claim(&self) -> Claim {
        Claim::of_stored(self.key.clone(), self.fingerprint.clone())
    }

    /// The request from which it was made.
    pub fn request(&self) -> PurchaseRequest {
        PurchaseRequest {
            product_id: self.product_id,
            quantity: self.quantity,
            claim: Some(self.claim()),
            lane_id: self.lane_id,
        }
    }
}
