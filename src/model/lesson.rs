//! The regression cards: bugs that real shops had, each played on the database in two ways, and what came of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Currency, Money};

/// One of the cards. The code of each stands in `simulation::lessons`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LessonKey {
    /// A cart is blocked by its own hold.
    OwnHold,
    /// Less than nothing is bought.
    NegativeQuantity,
    /// A counter script lets one too many through.
    OffByOne,
    /// Adding an item resets the timer of a hold.
    HoldTimer,
    /// Stock is decremented in memory before the database.
    MemoryFirst,
    /// A coupon is spent twice.
    CouponTwice,
}

impl LessonKey {
    /// Every card, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::OwnHold,
        Self::NegativeQuantity,
        Self::OffByOne,
        Self::HoldTimer,
        Self::MemoryFirst,
        Self::CouponTwice,
    ];

    /// The key, as addresses and forms spell it.
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

    /// The card of that key.
    pub fn named(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lesson| lesson.as_str() == key)
    }
}

impl fmt::Display for LessonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The last time that a card was played to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonRun {
    pub lesson: LessonKey,
    /// By the database's clock, as a person reads it.
    pub played_at: String,
    pub result: LessonResult,
}

/// What came of playing a card: the same acts, by the wrong rule and by the shop's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonResult {
    /// What was counted, side by side.
    pub figures: Vec<Figure>,
    pub wrong: Ending,
    pub shop: Ending,
}

impl LessonResult {
    /// What was counted under that name, by the wrong rule and by the shop's.
    pub fn figure(&self, what: &str) -> Option<(i64, i64)> {
        let figure = self.figures.iter().find(|figure| figure.what == what)?;
        Some((figure.wrong, figure.shop))
    }
}

/// One thing that was counted on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    pub what: String,
    pub unit: FigureUnit,
    pub wrong: i64,
    pub shop: i64,
}

impl Figure {
    /// A number of things.
    pub fn count(what: &str, wrong: i64, shop: i64) -> Self {
        Self::of(what, FigureUnit::Count, wrong, shop)
    }

    /// The same in `unit`.
    pub fn of(what: &str, unit: FigureUnit, wrong: i64, shop: i64) -> Self {
        Self {
            what: what.to_owned(),
            unit,
            wrong,
            shop,
        }
    }
}

/// What a [`Figure`] is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FigureUnit {
    Count,
    /// Cents of the shop's currency.
    Cents,
    Seconds,
}

impl FigureUnit {
    /// `number` as a person reads it.
    pub fn told(self, number: i64) -> String {
        match self {
            Self::Count => number.to_string(),
            Self::Cents => Money::new(number, Currency::EUR).to_string(),
            Self::Seconds => format!("{number} s"),
        }
    }
}

/// How one of the two ways ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Whether it did what no shop may do.
    pub broken: bool,
    /// What the figures mean, in sentences.
    pub means: String,
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
    fn figures_are_told_in_their_unit() {
        assert_eq!(FigureUnit::Count.told(-1), "-1");
        assert_eq!(FigureUnit::Cents.told(-3_000), "-€30.00");
        assert_eq!(FigureUnit::Seconds.told(540), "540 s");
    }
}
