//! Orders: recipient, status, payment, refunds, and the texts that a page shows about them.

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

/// Whether an order's status is good, pending or bad; decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    Good,
    Waiting,
    Bad,
}

impl Tone {
    /// The tone as part of a CSS class name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Waiting => "wait",
            Self::Bad => "bad",
        }
    }

    /// Parses a word; anything unknown is bad.
    pub fn parse(word: &str) -> Self {
        match word {
            "ok" => Self::Good,
            "wait" => Self::Waiting,
            _ => Self::Bad,
        }
    }
}

/// The texts about an order's status: its page shows them, and the page's event stream sends them
/// when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStatusView {
    pub tone: Tone,
    /// The page's heading.
    pub heading: String,
    /// One or two words for a badge.
    pub status: String,
    /// One sentence about the order.
    pub sentence: String,
    /// One sentence about the payment.
    pub payment: String,
    /// Whether the status can still change without the customer's action.
    pub is_open: bool,
    /// Whether the payment failed and the unchanged cart can be ordered again.
    pub can_retry: bool,
}

impl OrderView {
    /// The texts about the current status.
    pub fn status_view(&self) -> OrderStatusView {
        let (tone, status, sentence) = self.status_text();
        OrderStatusView {
            tone,
            heading: self.heading(),
            status: status.to_owned(),
            sentence,
            payment: self.payment_text(),
            is_open: matches!(self.status, OrderStatus::Pending | OrderStatus::Backordered)
                || self.payment_is_pending()
                || self.refunds.iter().any(|refund| !refund.done),
            can_retry: self.status == OrderStatus::Declined,
        }
    }

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

    fn heading(&self) -> String {
        match (self.status, &self.contact) {
            (OrderStatus::Declined, _) => "Payment failed".to_owned(),
            (OrderStatus::Cancelled, _) => "Order cancelled".to_owned(),
            (_, Some(contact)) => format!("Thank you, {}", contact.name),
            (_, None) => "Thank you".to_owned(),
        }
    }

    fn payment_is_pending(&self) -> bool {
        self.payment
            .as_ref()
            .is_some_and(|payment| payment.state == PaymentState::Pending)
    }

    fn status_text(&self) -> (Tone, &'static str, String) {
        let (tone, status, sentence) = match (self.status, self.cancel_reason) {
            (OrderStatus::Placed, _) => (
                Tone::Good,
                "Placed",
                "Your order is placed and the items are yours.",
            ),
            (OrderStatus::Pending, _) => (
                Tone::Waiting,
                "Confirming",
                "Your payment is being confirmed. This takes up to a minute; you do not need to do anything.",
            ),
            (OrderStatus::Declined, _) => (
                Tone::Bad,
                "Not paid",
                "The payment failed, so no order was placed.",
            ),
            (OrderStatus::Paid, _) if self.is_refunded() => (
                Tone::Waiting,
                "Refunded",
                "The shop has refunded this order.",
            ),
            (OrderStatus::Paid, _) => (
                Tone::Good,
                "Paid",
                "Your order is paid and the items are yours.",
            ),
            (OrderStatus::Backordered, _) => (
                Tone::Waiting,
                "Backordered",
                "Your payment arrived after your reservation had expired, and the item had sold out. New stock \
                 goes to your order first.",
            ),
            (OrderStatus::Cancelled, Some(CancelReason::NoStock)) => (
                Tone::Bad,
                "Cancelled",
                "Your payment arrived after your reservation had expired, and the item had sold out. The order \
                 is cancelled and your payment is refunded.",
            ),
            (OrderStatus::Cancelled, Some(CancelReason::WrongAmount)) => (
                Tone::Bad,
                "Cancelled",
                "The payment provider charged another amount than this order costs. The order is cancelled and \
                 what was charged is refunded.",
            ),
            (OrderStatus::Cancelled, _) => {
                (Tone::Bad, "Cancelled", "The shop has cancelled this order.")
            }
        };
        (tone, status, sentence.to_owned())
    }

    fn payment_text(&self) -> String {
        let Some(payment) = &self.payment else {
            return "On account".to_owned();
        };
        match payment.state {
            PaymentState::Pending => "Waiting for the payment provider.".to_owned(),
            PaymentState::Declined => payment
                .decline_reason
                .clone()
                .unwrap_or_else(|| "The card was declined.".to_owned()),
            PaymentState::Voided => "The payment was cancelled. Nothing was charged.".to_owned(),
            PaymentState::WrongAmount if payment.captured.cents == 0 => {
                "Nothing was charged.".to_owned()
            }
            PaymentState::Captured | PaymentState::WrongAmount => {
                self.captured_text(payment.captured)
            }
        }
    }

    fn captured_text(&self, captured: Money) -> String {
        let cents = |done: bool| -> i64 {
            let of_kind = self.refunds.iter().filter(|refund| refund.done == done);
            of_kind.map(|refund| refund.amount.cents).sum()
        };
        let money = |cents| Money::new(cents, captured.currency);
        let mut text = format!("{captured} paid by card.");
        if cents(false) > 0 {
            text.push_str(&format!(" {} is being refunded.", money(cents(false))));
        }
        if cents(true) > 0 {
            text.push_str(&format!(" {} was refunded.", money(cents(true))));
        }
        text
    }
}
