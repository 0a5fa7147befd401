//! Orders: who they go to, where they stand, and how a page shows them.

use serde::{Deserialize, Serialize};

use super::{Bill, Money, Quantity};

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

impl Contact {
    /// The same with `change` made to each field.
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

/// One field of a form and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name in the form.
    pub field: String,
    /// A sentence for the person who filled it in.
    pub message: String,
}

impl FieldError {
    /// `message` about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The answer to a purchase that went through; kept under its idempotency key and given again for the same key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The public id, by which the order's page is read.
    pub order_id: String,
    /// Units left of the product right after this purchase; none for an order of several lines.
    pub remaining_stock: Option<i64>,
}

/// Makes an enum whose variants are stored as words.
macro_rules! stored_words {
    ($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// The word that is stored.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The variant behind a stored word.
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
    /// Where an order stands.
    OrderStatus {
        /// Sold on account: an express purchase.
        Placed = "placed",
        /// The provider is being asked for the money.
        Pending = "pending",
        /// The card was refused, or the payment withdrawn. Nothing was taken.
        Declined = "declined",
        /// Paid for, and the stock is the customer's.
        Paid = "paid",
        /// Paid for, and waiting for stock.
        Backordered = "backordered",
        /// Called off; what was taken is paid back.
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
        /// Paid when the hold had run out and nothing was left.
        NoStock = "no_stock",
        /// By the shop's people.
        Shop = "shop",
    }
}

stored_words! {
    /// How a payment stands.
    PaymentState {
        /// Asked for; the answer is not known yet.
        Pending = "pending",
        Captured = "captured",
        Declined = "declined",
        /// Withdrawn before anything was taken.
        Voided = "voided",
    }
}

stored_words! {
    /// Why money goes back.
    RefundReason {
        /// Paid when the hold had run out and nothing was left.
        NoStock = "no_stock",
        /// The order was cancelled.
        Cancelled = "cancelled",
        /// Decided by the shop's people.
        Goodwill = "goodwill",
    }
}

/// An order as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderView {
    pub public_id: String,
    /// The short number that people quote, as in `DB-000042`.
    pub number: String,
    /// In UTC, as a person reads it.
    pub placed_at: String,
    pub status: OrderStatus,
    pub cancel_reason: Option<CancelReason>,
    /// Absent for an express purchase.
    pub contact: Option<Contact>,
    pub lines: Vec<OrderLineView>,
    pub bill: Bill,
    pub discount_code: Option<String>,
    /// Absent for an express purchase.
    pub payment: Option<PaymentView>,
    /// Oldest first.
    pub refunds: Vec<RefundView>,
}

/// One line, with name and price as sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLineView {
    pub id: i64,
    pub product_name: String,
    pub unit_price: Money,
    pub quantity: Quantity,
    pub amount: Money,
    /// Units that came back to the shelf.
    pub returned: u32,
    /// Units whose price was paid back.
    pub refunded: u32,
}

/// The payment of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    pub state: PaymentState,
    pub captured: Money,
    /// A sentence for the shopper.
    pub decline_reason: Option<String>,
}

/// Money that goes back, or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundView {
    pub amount: Money,
    pub reason: RefundReason,
    /// Whether the provider has paid it back.
    pub done: bool,
    /// In UTC, as a person reads it.
    pub decided_at: String,
}

/// How good or bad the news about an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tone {
    Good,
    Waiting,
    Bad,
}

impl Tone {
    /// As in a class name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Waiting => "wait",
            Self::Bad => "bad",
        }
    }

    /// The tone behind a word.
    pub fn parse(word: &str) -> Self {
        match word {
            "ok" => Self::Good,
            "wait" => Self::Waiting,
            _ => Self::Bad,
        }
    }
}

/// Where an order stands, in words: what its page says, and what the page's stream sends when it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    pub tone: Tone,
    /// What the page is called.
    pub heading: String,
    /// One or two words, for a badge.
    pub status: String,
    /// One sentence about the goods.
    pub sentence: String,
    /// One sentence about the money.
    pub payment: String,
    /// Whether it may still change by itself.
    pub is_open: bool,
    /// Whether it came to nothing and left the cart as it was, to be ordered again.
    pub can_retry: bool,
}

impl OrderView {
    /// What there is to say now.
    pub fn standing(&self) -> Standing {
        let (tone, status, sentence) = self.about_goods();
        Standing {
            tone,
            heading: self.heading(),
            status: status.to_owned(),
            sentence,
            payment: self.about_money(),
            is_open: matches!(self.status, OrderStatus::Pending | OrderStatus::Backordered)
                || self.payment_is_pending()
                || self.refunds.iter().any(|refund| !refund.done),
            can_retry: self.status == OrderStatus::Declined,
        }
    }

    /// What is still to go back to the shopper, and what went.
    pub fn refunded_cents(&self) -> i64 {
        self.refunds.iter().map(|refund| refund.amount.cents).sum()
    }

    /// True when all that was paid has gone back, or is going.
    fn is_refunded(&self) -> bool {
        let captured = self
            .payment
            .as_ref()
            .map_or(0, |payment| payment.captured.cents);
        captured > 0 && self.refunded_cents() >= captured
    }

    fn heading(&self) -> String {
        match (self.status, &self.contact) {
            (OrderStatus::Declined, _) => "Not ordered".to_owned(),
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

    fn about_goods(&self) -> (Tone, &'static str, String) {
        let (tone, status, sentence) = match (self.status, self.cancel_reason) {
            (OrderStatus::Placed, _) => (
                Tone::Good,
                "Placed",
                "Your order is placed and the stock is yours.",
            ),
            (OrderStatus::Pending, _) => (
                Tone::Waiting,
                "Confirming",
                "Your payment is being confirmed. This takes up to a minute; there is nothing that you need to do.",
            ),
            (OrderStatus::Declined, _) => (
                Tone::Bad,
                "Not paid",
                "The payment did not go through, so nothing was ordered.",
            ),
            (OrderStatus::Paid, _) if self.is_refunded() => (
                Tone::Waiting,
                "Refunded",
                "The shop has refunded this order.",
            ),
            (OrderStatus::Paid, _) => (
                Tone::Good,
                "Paid",
                "Your order is paid and the stock is yours.",
            ),
            (OrderStatus::Backordered, _) => (
                Tone::Waiting,
                "Backordered",
                "Your payment came after your reservation had run out, and the last units were gone. You are first in line when stock \
                 arrives.",
            ),
            (OrderStatus::Cancelled, Some(CancelReason::NoStock)) => (
                Tone::Bad,
                "Cancelled",
                "Your payment came after your reservation had run out, and the last units were gone. The order is cancelled and your money \
                 goes back.",
            ),
            (OrderStatus::Cancelled, _) => {
                (Tone::Bad, "Cancelled", "The shop has cancelled this order.")
            }
        };
        (tone, status, sentence.to_owned())
    }

    fn about_money(&self) -> String {
        let Some(payment) = &self.payment else {
            return "On account".to_owned();
        };
        match payment.state {
            PaymentState::Pending => "The answer of the payment provider is awaited.".to_owned(),
            PaymentState::Declined => payment
                .decline_reason
                .clone()
                .unwrap_or_else(|| "The card was declined.".to_owned()),
            PaymentState::Voided => "Withdrawn. Nothing was charged.".to_owned(),
            PaymentState::Captured => self.about_captured(payment.captured),
        }
    }

    fn about_captured(&self, captured: Money) -> String {
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
