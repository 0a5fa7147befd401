//! Test cards that trigger a specific behaviour, as payment providers offer them. Use any expiry
//! date in the future and any CVC.
//!
//! | number | what happens |
//! |---|---|
//! | 4242 4242 4242 4242 | Captured; each webhook is sent once, immediately. |
//! | 4000 0000 0000 0002 | Declined: the card was declined. |
//! | 4000 0000 0000 9995 | Declined: insufficient funds. |
//! | 4000 0000 0000 0069 | Declined: the card has expired. |
//! | 4000 0000 0000 0101 | Captured; the response is lost; webhooks are sent 3 s later. |
//! | 4000 0000 0000 0119 | Captured; the response is lost; no webhook: only a query shows it. |
//! | 4000 0000 0000 0127 | The request is lost: nothing is charged, recorded or answered. |
//! | 4000 0000 0000 0135 | Captured after 8 s, when the client has already timed out. |
//! | 4000 0000 0000 0143 | Captured; the response to a refund is lost; its webhooks: 3 s later. |
//! | 4000 0000 0000 0150 | Captured; each webhook is sent twice, in reverse order, 2 s late. |
//! | any other with a valid check digit | As 4242 4242 4242 4242. |
//! | anything else | Declined: the card number is invalid. |

use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

use super::webhook_schedule::WebhookSchedule;
use crate::payment::wire::CardBody;

pub const CAPTURED: &str = "4242424242424242";
pub const DECLINED: &str = "4000000000000002";
pub const INSUFFICIENT_FUNDS: &str = "4000000000009995";
pub const EXPIRED: &str = "4000000000000069";
pub const ANSWER_LOST: &str = "4000000000000101";
pub const ANSWER_LOST_WITHOUT_WEBHOOK: &str = "4000000000000119";
pub const REQUEST_LOST: &str = "4000000000000127";
pub const SLOW: &str = "4000000000000135";
pub const REFUND_ANSWER_LOST: &str = "4000000000000143";
pub const WEBHOOKS_TWICE_REVERSED: &str = "4000000000000150";

/// Time until a charge to [`SLOW`] settles.
pub const SLOW_LATENCY: Duration = Duration::from_secs(8);
/// Delay between a settlement whose response was lost and its webhooks.
pub const LATE_WEBHOOK_DELAY: Duration = Duration::from_secs(3);
/// Delay between the settlement and the first webhook of [`WEBHOOKS_TWICE_REVERSED`].
pub const REVERSED_WEBHOOK_DELAY: Duration = Duration::from_secs(2);
/// Delay between that webhook and each earlier event.
pub const REVERSED_WEBHOOK_STEP: Duration = Duration::from_millis(250);

const NUMBER_DIGITS_MIN: usize = 12;
const NUMBER_DIGITS_MAX: usize = 19;

const DECLINED_MESSAGE: &str = "The card was declined.";
const INSUFFICIENT_FUNDS_MESSAGE: &str = "The card was declined: insufficient funds.";
const EXPIRED_MESSAGE: &str = "The card has expired.";
const WRONG_NUMBER_MESSAGE: &str = "The card number is invalid.";
const WRONG_EXPIRY_MESSAGE: &str = "The expiry date is invalid.";
const WRONG_CVC_MESSAGE: &str = "The security code is invalid.";

/// How the provider behaves in calls that concern a card. It is stored with the charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Ordinary,
    AnswerLost,
    AnswerLostWithoutWebhook,
    RequestLost,
    Slow,
    RefundAnswerLost,
    WebhooksTwiceReversed,
}

/// The outcome of a charge to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CardOutcome {
    pub behaviour: Behaviour,
    /// The message for the shopper if the card will be declined.
    pub decline_reason: Option<&'static str>,
}

impl CardOutcome {
    const fn captured(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            decline_reason: None,
        }
    }

    const fn declined(reason: &'static str) -> Self {
        Self {
            behaviour: Behaviour::Ordinary,
            decline_reason: Some(reason),
        }
    }

    /// Returns the outcome of a charge to `card` at `now`.
    pub fn of(card: &CardBody, now: OffsetDateTime) -> Self {
        if !is_card_number(&card.number) {
            return Self::declined(WRONG_NUMBER_MESSAGE);
        }
        let Some(last_day) = last_day(&card.expiry) else {
            return Self::declined(WRONG_EXPIRY_MESSAGE);
        };
        if last_day < now.date() {
            return Self::declined(EXPIRED_MESSAGE);
        }
        if !matches!(card.cvc.len(), 3 | 4) || !is_digits(&card.cvc) {
            return Self::declined(WRONG_CVC_MESSAGE);
        }
        match &*card.number {
            DECLINED => Self::declined(DECLINED_MESSAGE),
            INSUFFICIENT_FUNDS => Self::declined(INSUFFICIENT_FUNDS_MESSAGE),
            EXPIRED => Self::declined(EXPIRED_MESSAGE),
            ANSWER_LOST => Self::captured(Behaviour::AnswerLost),
            ANSWER_LOST_WITHOUT_WEBHOOK => Self::captured(Behaviour::AnswerLostWithoutWebhook),
            REQUEST_LOST => Self::captured(Behaviour::RequestLost),
            SLOW => Self::captured(Behaviour::Slow),
            REFUND_ANSWER_LOST => Self::captured(Behaviour::RefundAnswerLost),
            WEBHOOKS_TWICE_REVERSED => Self::captured(Behaviour::WebhooksTwiceReversed),
            _ => Self::captured(Behaviour::Ordinary),
        }
    }
}

impl Behaviour {
    const ALL: [Self; 7] = [
        Self::Ordinary,
        Self::AnswerLost,
        Self::AnswerLostWithoutWebhook,
        Self::RequestLost,
        Self::Slow,
        Self::RefundAnswerLost,
        Self::WebhooksTwiceReversed,
    ];

    /// The text that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::AnswerLost => "answer-lost",
            Self::AnswerLostWithoutWebhook => "answer-lost-without-webhook",
            Self::RequestLost => "request-lost",
            Self::Slow => "slow",
            Self::RefundAnswerLost => "refund-answer-lost",
            Self::WebhooksTwiceReversed => "webhooks-twice-reversed",
        }
    }

    /// The reverse of [`Behaviour::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|behaviour| behaviour.as_str() == word)
    }

    /// Whether the response to the charge is lost.
    pub const fn loses_charge_response(self) -> bool {
        matches!(self, Self::AnswerLost | Self::AnswerLostWithoutWebhook)
    }

    /// Whether the response to a refund is lost.
    pub const fn loses_refund_response(self) -> bool {
        matches!(self, Self::RefundAnswerLost)
    }

    /// When the webhooks about the charge itself are sent.
    pub const fn charge_schedule(self) -> WebhookSchedule {
        match self {
            Self::AnswerLost => WebhookSchedule::delayed(LATE_WEBHOOK_DELAY),
            Self::AnswerLostWithoutWebhook => WebhookSchedule::NONE,
            Self::WebhooksTwiceReversed => REVERSED,
            Self::Ordinary | Self::RequestLost | Self::Slow | Self::RefundAnswerLost => {
                WebhookSchedule::IMMEDIATE
            }
        }
    }

    /// When the webhooks about a refund of the charge are sent.
    pub const fn refund_schedule(self) -> WebhookSchedule {
        match self {
            Self::RefundAnswerLost => WebhookSchedule::delayed(LATE_WEBHOOK_DELAY),
            Self::WebhooksTwiceReversed => REVERSED,
            _ => WebhookSchedule::IMMEDIATE,
        }
    }
}

const REVERSED: WebhookSchedule = WebhookSchedule {
    delay: REVERSED_WEBHOOK_DELAY,
    step: REVERSED_WEBHOOK_STEP,
    copies: 2,
};

/// Whether `number` has 12 to 19 digits and a valid check digit (Luhn).
pub fn is_card_number(number: &str) -> bool {
    if !(NUMBER_DIGITS_MIN..=NUMBER_DIGITS_MAX).contains(&number.len()) || !is_digits(number) {
        return false;
    }
    let digits = number.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let sum: u32 = digits
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit) {
            (0, digit) => digit,
            (_, digit @ 5..) => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The last day on which a card is valid, from its expiry such as `12/30`.
fn last_day(expiry: &str) -> Option<Date> {
    let (month, year) = expiry.split_once('/')?;
    if month.len() != 2 || year.len() != 2 || !is_digits(month) || !is_digits(year) {
        return None;
    }
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let year = 2000 + year.parse::<i32>().ok()?;
    Date::from_calendar_date(year, month, month.length(year)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27, 8:00 UTC.
    const NOW_S: i64 = 1_795_766_400;

    fn outcome(number: &str, expiry: &str, cvc: &str) -> CardOutcome {
        let card = CardBody {
            number: number.to_owned(),
            expiry: expiry.to_owned(),
            cvc: cvc.to_owned(),
        };
        let now = OffsetDateTime::from_unix_timestamp(NOW_S).expect("a time");
        CardOutcome::of(&card, now)
    }

    #[test]
    fn every_test_card_passes_the_luhn_check() {
        for number in [
            CAPTURED,
            DECLINED,
            INSUFFICIENT_FUNDS,
            EXPIRED,
            ANSWER_LOST,
            ANSWER_LOST_WITHOUT_WEBHOOK,
            REQUEST_LOST,
            SLOW,
            REFUND_ANSWER_LOST,
            WEBHOOKS_TWICE_REVERSED,
        ] {
            assert!(is_card_number(number), "{number}");
        }
    }

    #[test]
    fn an_invalid_card_number_is_declined() {
        for number in [
            "",
            "0",
            "4242424242424241",
            "4242 4242 4242 4242",
            "42424242424",
            "42424242424242424242",
            "４２４２４２４２４２４２４２４２",
        ] {
            let expected = CardOutcome::declined(WRONG_NUMBER_MESSAGE);
            assert_eq!(outcome(number, "12/30", "123"), expected, "{number}");
        }
        let other = outcome("5555555555554444", "12/30", "123");
        assert_eq!(other, CardOutcome::captured(Behaviour::Ordinary));
    }

    #[test]
    fn a_card_is_valid_until_the_end_of_its_month() {
        let valid = CardOutcome::captured(Behaviour::Ordinary);
        assert_eq!(outcome(CAPTURED, "11/26", "123"), valid);
        let expired = CardOutcome::declined(EXPIRED_MESSAGE);
        assert_eq!(outcome(CAPTURED, "10/26", "123"), expired);
        assert_eq!(outcome(EXPIRED, "12/30", "123"), expired);
        for expiry in ["", "1/30", "13/30", "00/30", "12/2030", "12-30", "é/30"] {
            let expected = CardOutcome::declined(WRONG_EXPIRY_MESSAGE);
            assert_eq!(outcome(CAPTURED, expiry, "123"), expected, "{expiry}");
        }
        for cvc in ["", "12", "12345", "12a"] {
            let expected = CardOutcome::declined(WRONG_CVC_MESSAGE);
            assert_eq!(outcome(CAPTURED, "12/30", cvc), expected, "{cvc}");
        }
        assert_eq!(outcome(CAPTURED, "12/30", "1234"), valid);
    }

    #[test]
    fn every_behaviour_survives_a_round_trip_through_its_text() {
        for behaviour in Behaviour::ALL {
            assert_eq!(Behaviour::parse(behaviour.as_str()), Some(behaviour));
        }
    }
}
