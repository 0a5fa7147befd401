//! Faults that a run injects.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::model::ShopError;

/// A fault; each attempt has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The buyer's program freezes with its transaction open and its locks held, until the database
    /// terminates the session.
    Freeze,
    /// A statement between read and write takes half a second.
    SlowStatement,
    /// The connection is closed between read and write.
    DropConnection,
    /// The buyer disconnects during the attempt; the shop finishes its work.
    Abandon,
    /// The buyer sends the same request twice at once. Both responses must name the same order.
    DoubleClick,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Freeze,
        Self::SlowStatement,
        Self::DropConnection,
        Self::Abandon,
        Self::DoubleClick,
    ];

    /// The name in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::SlowStatement => "slow-statement",
            Self::DropConnection => "drop-connection",
            Self::Abandon => "abandon",
            Self::DoubleClick => "double-click",
        }
    }

    /// True if the fault is injected inside the server, which a buyer over HTTP cannot do.
    pub const fn is_server_side(self) -> bool {
        matches!(
            self,
            Self::Freeze | Self::SlowStatement | Self::DropConnection
        )
    }

    /// True if the fault interrupts the transaction between read and write: it cannot strike where
    /// a strategy has no moment between the two.
    pub const fn needs_race_window(self) -> bool {
        matches!(self, Self::Freeze | Self::DropConnection)
    }

    /// True if the fault can end the attempt: a missing order is then expected.
    pub const fn ends_attempt(self) -> bool {
        matches!(self, Self::Freeze | Self::DropConnection | Self::Abandon)
    }
}

impl FromStr for FaultKind {
    type Err = ShopError;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == key)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                ShopError::Invalid(format!("unknown fault {key}; use {known}"))
            })
    }
}

/// A share of all attempts, in hundredths of a percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u32);

impl Share {
    /// 100 percent.
    pub const ALL: Self = Self(10_000);

    /// Creates a share from a percentage.
    pub const fn percent(percent: u32) -> Self {
        Self(percent.saturating_mul(100))
    }

    /// In hundredths of a percent.
    pub const fn basis_points(self) -> u32 {
        self.0
    }

    /// Parses a percentage with at most two decimals, for example `5` or `0.25`.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] for anything else, and above 100.
    pub fn parse(typed: &str) -> Result<Self, ShopError> {
        let invalid = || ShopError::Invalid(format!("{typed} must be a percentage from 0 to 100"));
        let (whole, hundredths) = typed.trim().split_once('.').unwrap_or((typed.trim(), "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(hundredths) || hundredths.len() > 2 {
            return Err(invalid());
        }
        let whole: u32 = whole.parse().map_err(|_| invalid())?;
        let hundredths: u32 = format!("{hundredths:0<2}").parse().map_err(|_| invalid())?;
        let share = Self(Self::percent(whole).0.saturating_add(hundredths));
        if share > Self::ALL {
            return Err(invalid());
        }
        Ok(share)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 100.0)
    }
}

/// The share of attempts for each fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Faults(BTreeMap<FaultKind, Share>);

impl Faults {
    /// Creates faults from shares. A share of 0 % is no fault.
    pub fn of(shares: impl IntoIterator<Item = (FaultKind, Share)>) -> Self {
        let shares = shares.into_iter();
        Self(shares.filter(|(_, share)| share.0 > 0).collect())
    }

    /// Iterates over the faults and their shares.
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, Share)> {
        self.0.iter().map(|(kind, share)| (*kind, *share))
    }

    /// The share of attempts with any fault, in hundredths of a percent.
    pub fn total_basis_points(&self) -> u32 {
        self.0.values().map(|share| share.0).sum()
    }

    /// Returns the fault for a random number from 0 to 9,999.
    pub fn for_draw(&self, draw: u32) -> Option<FaultKind> {
        let mut end = 0;
        self.iter()
            .find(|(_, share)| {
                end += share.0;
                draw < end
            })
            .map(|(kind, _)| kind)
    }

    /// Parses `freeze=1,double-click=5`, in percent.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] that names the invalid part, or a fault that has two shares.
    pub fn parse(typed: &str) -> Result<Self, ShopError> {
        let mut shares = BTreeMap::new();
        for part in typed.split(',') {
            let (kind, share) = part.split_once('=').ok_or_else(|| {
                ShopError::Invalid(format!("{part} must have the form fault=percent"))
            })?;
            let kind: FaultKind = kind.trim().parse()?;
            if shares.insert(kind, Share::parse(share)?).is_some() {
                let kind = kind.as_str();
                return Err(ShopError::Invalid(format!(
                    "the fault {kind} is given twice; give it one share"
                )));
            }
        }
        Ok(Self::of(shares))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_with_two_decimals() {
        for (typed, basis_points, shown) in [
            ("0", 0, "0"),
            ("5", 500, "5"),
            ("0.25", 25, "0.25"),
            ("0.5", 50, "0.5"),
            ("100", 10_000, "100"),
        ] {
            let share = Share::parse(typed);
            assert_eq!(share, Ok(Share(basis_points)), "{typed}");
            assert_eq!(share.map(|share| share.to_string()), Ok(shown.to_owned()));
        }
        for typed in [
            "",
            "-1",
            "101",
            "100.01",
            "0.125",
            "1.",
            ".5",
            "a",
            "99999999999",
        ] {
            assert!(Share::parse(typed).is_err(), "{typed:?}");
        }
    }

    #[test]
    fn each_draw_selects_at_most_one_fault() {
        let faults = Faults::parse("freeze=1,double-click=50");
        let drawn = |draw| faults.as_ref().map(|faults| faults.for_draw(draw));
        assert_eq!(drawn(0), Ok(Some(FaultKind::Freeze)));
        assert_eq!(drawn(99), Ok(Some(FaultKind::Freeze)));
        assert_eq!(drawn(100), Ok(Some(FaultKind::DoubleClick)));
        assert_eq!(drawn(5_099), Ok(Some(FaultKind::DoubleClick)));
        assert_eq!(drawn(5_100), Ok(None));
        assert_eq!(Faults::default().for_draw(0), None);
    }

    #[test]
    fn a_share_of_zero_is_no_fault() {
        assert_eq!(Faults::parse("freeze=0"), Ok(Faults::default()));
        let faults = Faults::parse("freeze=0.00,abandon=5");
        assert_eq!(faults, Faults::parse("abandon=5"));
    }

    #[test]
    fn an_invalid_fault_is_named_in_the_error() {
        for (typed, word) in [
            ("melt=1", "melt"),
            ("freeze", "freeze"),
            ("freeze=lots", "lots"),
            ("freeze=1,,", "fault=percent"),
            ("freeze=1,abandon=2, freeze=100", "freeze is given twice"),
            ("freeze=0,freeze=1", "freeze is given twice"),
        ] {
            let error = Faults::parse(typed).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.contains(word)), "{typed}");
        }
    }
}
