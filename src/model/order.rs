//! Orders: who they go to, and how a page shows them.

use serde::{Deserialize, Serialize};

use super::{Money, Quantity};

/// What a guest fills in at checkout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub name: String,
    pub email: String,
    pub street: String,
    pub postal_code: String,
    pub city: String,
    pub country: String,
}

/// One field of a form and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name in the form.
    pub field: String,
    /// A sentence for the person who filled it in.
    pub message: String,
}

/// The answer to a purchase that went through; kept under its idempotency key and given again for the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The public id, by which the order's page is read.
    pub order_id: String,
    /// Units left of the product right after this purchase; none for an order of several lines.
    pub remaining_stock: Option<i64>,
}

/// An order as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    pub public_id: String,
    /// The short number that people quote, as in `DB-000042`.
    pub number: String,
    /// In UTC, as a person reads it.
    pub placed_at: String,
    /// Absent for an express purchase.
    pub contact: Option<Contact>,
    pub lines: Vec<OrderLineView>,
    pub total: Money,
}

/// One line, with name and price as sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineView {
    pub product_name: String,
    pub unit_price: Money,
    pub quantity: Quantity,
    pub amount: Money,
}
