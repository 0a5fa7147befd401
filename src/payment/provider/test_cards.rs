//! Cards that behave in a way of their own, as a provider's test cards do. Any expiry date that has not passed and any CVC go with them.
//!
//! | number | what happens |
//! |---|---|
//! | 4242 4242 4242 4242 | The card is charged; each webhook comes once, at once. |
//! | 4000 0000 0000 0002 | Declined: the card was declined. |
//! | 4000 0000 0000 9995 | Declined: insufficient funds. |
//! | 4000 0000 0000 0069 | Declined: the card has expired. |
//! | 4000 0000 0000 0101 | The card is charged, and the answer is lost; the webhooks come 3 s later. |
//! | 4000 0000 0000 0119 | The card is charged, the answer is lost, and there is no webhook: only asking tells. |
//! | 4000 0000 0000 0127 | The request is lost: nothing is charged or recorded, and there is no answer. |
//! | 4000 0000 0000 0135 | Slow: the card is charged after 8 s, when nobody waits for the answer any more. |
//! | 4000 0000 0000 0143 | The card is charged; the answer to a later refund is lost, and its webhooks come 3 s later. |
//! | 4000 0000 0000 0150 | The card is charged; each webhook comes twice, in reverse order, 2 s late. |
//! | any other with a right check digit | As 4242 4242 4242 4242. |
//! | anything else | Declined: the card number is not right. |

use std::time::Duration;

use time::{Date, Month, OffsetDateTime};

use super::notice::Schedule;
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

/// How long the money of [`SLOW`] takes.
pub const SLOW_LATENCY: Duration = Duration::from_secs(8);
/// How long after the money the webhooks come whose answer was lost.
pub const LATE_WEBHOOK_DELAY: Duration = Duration::from_secs(3);
/// How long after the money the first webhook of [`WEBHOOKS_TWICE_REVERSED`] comes.
pub const REVERSED_WEBHOOK_DELAY: Duration = Duration::from_secs(2);
/// How long after that each earlier event comes.
pub const REVERSED_WEBHOOK_STEP: Duration = Duration::from_millis(250);

const NUMBER_DIGITS_MIN: usize = 12;
const NUMBER_DIGITS_MAX: usize = 19;

const SAYS_DECLINED: &str = "The card was declined.";
const SAYS_INSUFFICIENT_FUNDS: &str = "The card was declined: insufficient funds.";
const SAYS_EXPIRED: &str = "The card has expired.";
const SAYS_WRONG_NUMBER: &str = "The card number is not right.";
const SAYS_WRONG_EXPIRY: &str = "The expiry date is not right.";
const SAYS_WRONG_CVC: &str = "The security code is not right.";

/// What a card makes of the calls that are about it. It is stored with the charge.
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

/// What will become of a charge to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    pub behaviour: Behaviour,
    /// A sentence for the shopper if the card will be declined.
    pub decline_reason: Option<&'static str>,
}

impl Fate {
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

    /// What will become of a charge to `card` at `now`.
    pub fn of(card: &CardBody, now: OffsetDateTime) -> Self {
        if !is_card_number(&card.number) {
            return Self::declined(SAYS_WRONG_NUMBER);
        }
        let Some(last_day) = last_day(&card.expiry) else {
            return Self::declined(SAYS_WRONG_EXPIRY);
        };
        if last_day < now.date() {
            return Self::declined(SAYS_EXPIRED);
        }
        if !matches!(card.cvc.len(), 3 | 4) || !is_digits(&card.cvc) {
            return Self::declined(SAYS_WRONG_CVC);
        }
        match &*card.number {
            DECLINED => Self::declined(SAYS_DECLINED),
            INSUFFICIENT_FUNDS => Self::declined(SAYS_INSUFFICIENT_FUNDS),
            EXPIRED => Self::declined(SAYS_EXPIRED),
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

    /// As it is stored.
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

    /// Whether nobody hears that the card was charged.
    pub const fn loses_charge_answer(self) -> bool {
        matches!(self, Self::AnswerLost | Self::AnswerLostWithoutWebhook)
    }

    /// Whether nobody hears that money was paid back.
    pub const fn loses_refund_answer(self) -> bool {
        matches!(self, Self::RefundAnswerLost)
    }

    /// How the shop is told of what happens to the charge itself.
    pub const fn charge_schedule(self) -> Schedule {
        match self {
            Self::AnswerLost => Schedule::late(LATE_WEBHOOK_DELAY),
            Self::AnswerLostWithoutWebhook => Schedule::NEVER,
            Self::WebhooksTwiceReversed => REVERSED,
            Self::Ordinary | Self::RequestLost | Self::Slow | Self::RefundAnswerLost => {
                Schedule::PROMPT
            }
        }
    }

    /// How the shop is told of what happens to a refund of the charge.
    pub const fn refund_schedule(self) -> Schedule {
        match self {
            Self::RefundAnswerLost => Schedule::late(LATE_WEBHOOK_DELAY),
            Self::WebhooksTwiceReversed => REVERSED,
            _ => Schedule::PROMPT,
        }
    }
}

const REVERSED: Schedule = Schedule {
    delay: REVERSED_WEBHOOK_DELAY,
    step: REVERSED_WEBHOOK_STEP,
    copies: 2,
};

/// 12 to 19 digits, of which the last one checks the others (Luhn).
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

/// The last day on which a card is good whose expiry is `12/30`.
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

    fn fate(number: &str, expiry: &str, cvc: &str) -> Fate {
        let card = CardBody {
            number: number.to_owned(),
            expiry: expiry.to_owned(),
            cvc: cvc.to_owned(),
        };
        let now = OffsetDateTime::from_unix_timestamp(NOW_S).expect("a time");
        Fate::of(&card, now)
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
    fn a_number_that_is_not_right_is_declined() {
        for number in [
            "",
            "0",
            "4242424242424241",
            "4242 4242 4242 4242",
            "42424242424",
            "42424242424242424242",
            "４２４２４２４２４２４２４２４２",
        ] {
            let expected = Fate::declined(SAYS_WRONG_NUMBER);
            assert_eq!(fate(number, "12/30", "123"), expected, "{number}");
        }
        let other = fate("5555555555554444", "12/30", "123");
        assert_eq!(other, Fate::captured(Behaviour::Ordinary));
    }

    #[test]
    fn a_card_is_good_until_the_end_of_its_month() {
        let good = Fate::captured(Behaviour::Ordinary);
        assert_eq!(fate(CAPTURED, "11/26", "123"), good);
        let expired = Fate::declined(SAYS_EXPIRED);
        assert_eq!(fate(CAPTURED, "10/26", "123"), expired);
        assert_eq!(fate(EXPIRED, "12/30", "123"), expired);
        for expiry in ["", "1/30", "13/30", "00/30", "12/2030", "12-30", "é/30"] {
            let expected = Fate::declined(SAYS_WRONG_EXPIRY);
            assert_eq!(fate(CAPTURED, expiry, "123"), expected, "{expiry}");
        }
        for cvc in ["", "12", "12345", "12a"] {
            let expected = Fate::declined(SAYS_WRONG_CVC);
            assert_eq!(fate(CAPTURED, "12/30", cvc), expected, "{cvc}");
        }
        assert_eq!(fate(CAPTURED, "12/30", "1234"), good);
    }

    #[test]
    fn a_behaviour_is_read_as_it_is_stored() {
        for behaviour in Behaviour::ALL {
            assert_eq!(Behaviour::parse(behaviour.as_str()), Some(behaviour));
        }
    }
}
