//! The regression cards: bugs that real shops had. Each is run on the database in two ways, and the
//! results are compared.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Currency, Money};

/// One of the cards. Their code is in `simulation::lessons`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LessonKey {
    /// A cart's own hold blocks it.
    OwnHold,
    /// A negative quantity is bought.
    NegativeQuantity,
    /// A counter script admits one buyer too many.
    OffByOne,
    /// Adding an item resets the timer of a hold.
    HoldTimer,
    /// Stock is decremented in memory before the database.
    MemoryFirst,
    /// A coupon is spent twice.
    CouponTwice,
}

impl LessonKey {
    /// Every card, in display order.
    pub const ALL: [Self; 6] = [
        Self::OwnHold,
        Self::NegativeQuantity,
        Self::OffByOne,
        Self::HoldTimer,
        Self::MemoryFirst,
        Self::CouponTwice,
    ];

    /// The key in URLs and forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnHold => "own-hold",
            Self::NegativeQuantity => "negative-quantity",
            Self::OffByOne => "off-by-one",
            Self::HoldTimer => "hold-timer",
            Self::MemoryFirst => "memory-first",
            Self::CouponTwice => "coupon-twice",
        }
    }

    /// Parses a key.
    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lesson| lesson.as_str() == key)
    }
}

impl fmt::Display for LessonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The latest complete run of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonRun {
    pub lesson: LessonKey,
    /// Formatted, by the database's clock.
    pub played_at: String,
    pub result: LessonResult,
}

/// The result of a card: the same actions under the wrong rule and under the shop's rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonResult {
    /// The measured figures of both rules.
    pub figures: Vec<Figure>,
    pub wrong: LessonOutcome,
    pub shop: LessonOutcome,
}

impl LessonResult {
    /// The figure with that name, for the wrong rule and for the shop's.
    pub fn figure(&self, what: &str) -> Option<(i64, i64)> {
        let figure = self.figures.iter().find(|figure| figure.what == what)?;
        Some((figure.wrong, figure.shop))
    }
}

/// One figure, measured under both rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    pub what: String,
    pub unit: FigureUnit,
    pub wrong: i64,
    pub shop: i64,
}

impl Figure {
    /// A figure that is a plain count.
    pub fn count(what: &str, wrong: i64, shop: i64) -> Self {
        Self::of(what, FigureUnit::Count, wrong, shop)
    }

    /// A figure in `unit`.
    pub fn of(what: &str, unit: FigureUnit, wrong: i64, shop: i64) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            wrong,
            shop,
        }
    }
}

/// The unit of a [`Figure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FigureUnit {
    Count,
    /// Cents of the shop's currency.
    Cents,
    Seconds,
}

impl FigureUnit {
    /// Formats `number` with its unit.
    pub fn format(self, number: i64) -> String {
        match self {
            Self::Count => number.to_string(),
            Self::Cents => Money::new(number, Currency::EUR).to_string(),
            Self::Seconds => format!("{number} s"),
        }
    }
}

/// The outcome under one of the two rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonOutcome {
    /// Whether it broke a rule that every shop must keep.
    pub broken: bool,
    /// What the figures mean, in sentences.
    #[serde(rename = "means")]
    pub explanation: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_is_found_by_its_key() {
        for lesson in LessonKey::ALL {
            assert_eq!(LessonKey::named(lesson.as_str()), Some(lesson));
            let json = serde_json::to_string(&lesson).ok();
            assert_eq!(json, Some(format!("\"{lesson}\"")), "one spelling");
        }
        assert_eq!(LessonKey::named(""), None);
        assert_eq!(LessonKey::named("OwnHold"), None);
    }

    #[test]
    fn figures_are_formatted_with_their_unit() {
        assert_eq!(FigureUnit::Count.format(-1), "-1");
        assert_eq!(FigureUnit::Cents.format(-3_000), "-€30.00");
        assert_eq!(FigureUnit::Seconds.format(540), "540 s");
    }
}
