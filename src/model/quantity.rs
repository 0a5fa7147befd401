//! The quantity of one order line.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    ShopError,
    text::{ascii_digits, clean},
};

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

    /// Parses the text of a form field. Thousands may be separated as people do it: `1,000`,
    /// `1.000`, `1 000`, `1'000`. Anything that could mean another number is rejected: `1.5`,
    /// `1,00`, `10 00`, `1e3`, `+7`.
    ///
    /// # Errors
    /// [`ShopError::QuantityInvalid`] if `typed` is not a whole number in range.
    pub fn parse(typed: &str) -> Result<Self, ShopError> {
        let typed = clean(&ascii_digits(typed));
        let digits = without_separators(&typed).ok_or(ShopError::QuantityInvalid)?;
        Self::new(digits.parse().map_err(|_| ShopError::QuantityInvalid)?)
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

/// Removes the separators of thousands. Returns `None` if a group is not three digits long, or if
/// there is anything else.
fn without_separators(number: &str) -> Option<String> {
    let is_separator = |c: char| matches!(c, ' ' | ',' | '.' | '\'' | '’' | '_');
    let separators: Vec<char> = number.chars().filter(|c| is_separator(*c)).collect();
    let mut groups = number.split(is_separator);
    let first = groups.next()?;
    let is_grouped = separators.windows(2).all(|pair| pair[0] == pair[1])
        && (separators.is_empty() || (1..=3).contains(&first.len()))
        && groups.all(|group| group.len() == 3);
    let digits: String = number.chars().filter(|c| !is_separator(*c)).collect();
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // No number that begins with a zero has groups: `0,005` is a fraction.
    let is_whole = separators.is_empty() || !first.starts_with('0');
    (is_grouped && is_number && is_whole).then_some(digits)
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
            "0x1",
            "1 5",
            "1,5",
            "1,00",
            "10 00",
            "10,00",
            "1,0000",
            "1,000.00",
            "1,000,",
            ",100",
            "0,005",
            "1,001",
            "1/2",
            "½",
            "١٬٠٠١",
            "③",
            "2 pieces",
        ] {
            assert_eq!(
                Quantity::parse(typed),
                Err(ShopError::QuantityInvalid),
                "{typed:?}"
            );
        }
        assert_eq!(Quantity::parse(" 7 ").map(Quantity::get), Ok(7));
        for typed in [
            "1000",
            "1,000",
            "1.000",
            "1 000",
            " 1 000 ",
            "1\u{a0}000",
            "1\u{202f}000",
            "1'000",
            "1’000",
            "１０００",
            "١٠٠٠",
            "۱۰۰۰",
            "१०००",
            "१,०००",
            "\u{200b}1000\u{feff}",
            "01000",
        ] {
            assert_eq!(
                Quantity::parse(typed).map(Quantity::get),
                Ok(1000),
                "{typed:?}"
            );
        }
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
