//! Orders: recipient, status, payment and refunds.

mod status_view;

pub use status_view::{OrderStatusView, Tone};

use serde::{Deserialize, Serialize};

use super::{Bill, Money, Quantity};

/// The contact and delivery fields of the checkout form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub name: String,
    pub email: String,
    pub street: String,
    pub postal_code: String,
    pub city: String,
    pub country: String,
}

impl Contact {
    /// Returns a copy with `change` applied to each field.
    #[must_use]
    pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
        Self {
            name: change(&self.name),
            email: change(&self.email),
            street: change(&self.street),
            postal_code: change(&self.postal_code),
            city: change(&self.city),
            country: change(&self.country),
        }
    }
}

/// An error message about one field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name in the form.
    pub field: String,
    /// A sentence for the person who filled in the form.
    pub message: String,
}

impl FieldError {
    /// Creates an error with `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The response to a successful purchase. It is stored with the idempotency key and returned again
/// for the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The order's public id, which its page's URL contains.
    pub order_id: String,
    /// Remaining units of the product right after this purchase; `None` for an order with several
    /// lines.
    pub remaining_stock: Option<i64>,
}

/// Declares an enum whose variants are stored as text.
macro_rules! stored_words {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// All variants.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The stored text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// Returns the variant with this stored text.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

stored_words! {
    /// The status of an order.
    OrderStatus {
        /// An express purchase, sold on account.
        Placed = "placed",
        /// The payment is in progress at the provider.
        Pending = "pending",
        /// The card was declined or the payment was voided. Nothing was charged.
        Declined = "declined",
        /// Paid, and its stock is sold to the customer.
        Paid = "paid",
        /// Paid, and waiting for stock.
        Backordered = "backordered",
        /// Cancelled; captured money is refunded.
        Cancelled = "cancelled",
    }
}

impl OrderStatus {
    /// True when its lines count as sold.
    pub const fn is_sold(self) -> bool {
        matches!(self, Self::Placed | Self::Paid)
    }
}

stored_words! {
    /// Why an order was cancelled.
    CancelReason {
        /// The payment arrived after the hold had expired, and the stock was sold out.
        NoStock = "no_stock",
        /// Cancelled by an administrator.
        Shop = "shop",
        /// The provider charged another amount than was due.
        WrongAmount = "wrong_amount",
    }
}

stored_words! {
    /// The state of a payment.
    PaymentState {
        /// Requested; the provider has not answered yet.
        Pending = "pending",
        Captured = "captured",
        Declined = "declined",
        /// Voided before anything was charged.
        Voided = "voided",
        /// The provider charged another amount than was due, or in another currency.
        WrongAmount = "wrong_amount",
    }
}

stored_words! {
    /// Why money is refunded.
    RefundReason {
        /// The payment arrived after the hold had expired, and the stock was sold out.
        NoStock = "no_stock",
        /// The order was cancelled.
        Cancelled = "cancelled",
        /// An administrator's decision.
        Goodwill = "goodwill",
        /// The provider charged another amount than was due.
        WrongAmount = "wrong_amount",
    }
}

/// An order as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    pub public_id: String,
    /// The short number that people quote, as in `DB-000042`.
    pub number: String,
    /// Formatted, in UTC.
    pub placed_at: String,
    pub status: OrderStatus,
    pub cancel_reason: Option<CancelReason>,
    /// `None` for an express purchase.
    pub contact: Option<Contact>,
    pub lines: Vec<OrderLineView>,
    pub bill: Bill,
    pub discount_code: Option<String>,
    /// `None` for an express purchase.
    pub payment: Option<PaymentView>,
    /// Oldest first.
    pub refunds: Vec<RefundView>,
}

/// One order line, with name and price at the time of sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineView {
    pub id: i64,
    pub product_id: i64,
    /// The name in the address of the product's page.
    pub product_slug: String,
    pub product_name: String,
    pub unit_price: Money,
    pub quantity: Quantity,
    pub amount: Money,
    /// Units returned to stock.
    pub returned: u32,
    /// Units whose price was refunded.
    pub refunded: u32,
}

/// The payment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    pub state: PaymentState,
    pub captured: Money,
    /// The amount that the provider reported, if it is not the amount that is due, for the
    /// administrator.
    pub wrong_amount: Option<String>,
    /// A sentence for the shopper.
    pub decline_reason: Option<String>,
}

/// A refund, pending or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundView {
    pub amount: Money,
    /// The tax that the amount includes: its share of the order's tax.
    pub tax: Money,
    pub reason: RefundReason,
    /// Whether the provider has confirmed the refund.
    pub done: bool,
    /// Formatted, in UTC.
    pub decided_at: String,
}

impl OrderView {
    /// The sum of all refunds, pending and done.
    pub fn refunded_cents(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount.cents).sum()
    }

    /// The sum of all refunds and the tax in it; `None` without a refund.
    pub fn refunded(&self) -> Option<(Money, Money)> {
        let first = self.refunds.first()?;
        let tax_cents = self.refunds.iter().map(|refund| refund.tax.cents).sum();
        Some((
            Money::new(self.refunded_cents(), first.amount.currency),
            Money::new(tax_cents, first.tax.currency),
        ))
    }

    /// True if refunds, pending or done, cover everything that was captured.
    fn is_refunded(&self) -> bool {
        let captured = self
            .payment
            .as_ref()
            .map_or(0, |payment| payment.captured.cents);
        captured > 0 && self.refunded_cents() >= captured
    }
}
