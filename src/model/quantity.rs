//! The quantity of one order line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ShopError;

/// The maximum units of one line.
pub const QUANTITY_MAX: u32 = 1_000;

/// A whole number of units, from 1 to [`QUANTITY_MAX`]. Because it cannot be negative, a purchase
/// of minus seven units cannot raise the stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(u32);

impl Quantity {
    /// One unit.
    pub const ONE: Self = Self(1);

    /// Creates a quantity.
    ///
    /// # Errors
    /// [`ShopError::QuantityInvalid`] if `units` is out of range.
    pub fn new(units: i64) -> Result<Self, ShopError> {
        match u32::try_from(units) {
            Ok(units) if (1..=QUANTITY_MAX).contains(&units) => Ok(Self(units)),
            _ => Err(ShopError::QuantityInvalid),
        }
    }

    /// Parses the text of a form field. Only digits are accepted, so `1.5`, `1e3` and `+7` are
    /// rejected.
    ///
    /// # Errors
    /// [`ShopError::QuantityInvalid`] if `typed` is not a whole number in range.
    pub fn parse(typed: &str) -> Result<Self, ShopError> {
        let typed = typed.trim();
        if typed.is_empty() || !typed.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ShopError::QuantityInvalid);
        }
        Self::new(typed.parse().map_err(|_| ShopError::QuantityInvalid)?)
    }

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The sum of both quantities.
    ///
    /// # Errors
    /// [`ShopError::QuantityInvalid`] if the sum exceeds [`QUANTITY_MAX`].
    pub fn plus(self, more: Self) -> Result<Self, ShopError> {
        Self::new(i64::from(self.0) + i64::from(more.0))
    }
}

impl TryFrom<i64> for Quantity {
    type Error = ShopError;

    fn try_from(units: i64) -> Result<Self, Self::Error> {
        Self::new(units)
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        i64::from(quantity.0)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_in_range_are_quantities() {
        for typed in [
            "0",
            "-7",
            "+7",
            "1.5",
            "1e3",
            "",
            " ",
            "abc",
            "1001",
            "99999999999999999999",
            "٣",
            "0x1",
        ] {
            assert_eq!(
                Quantity::parse(typed),
                Err(ShopError::QuantityInvalid),
                "{typed:?}"
            );
        }
        assert_eq!(Quantity::parse(" 7 ").map(Quantity::get), Ok(7));
        assert_eq!(Quantity::parse("1000").map(Quantity::get), Ok(1000));
    }

    #[test]
    fn a_sum_beyond_the_limit_is_rejected() {
        let most = Quantity::new(1000);
        assert_eq!(
            most.and_then(|q| q.plus(Quantity::ONE)),
            Err(ShopError::QuantityInvalid)
        );
    }
}
