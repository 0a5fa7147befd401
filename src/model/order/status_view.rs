//! The texts about an order's status.

use serde::{Deserialize, Serialize};

use super::{CancelReason, OrderStatus, OrderView, PaymentState};
use crate::model::Money;

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
