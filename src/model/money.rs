//! Money: integer cents and their currency.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Quantity, digit_groups::group_digits};

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of the seeded catalogue.
    pub const EUR: Self = Self(*b"EUR");

    /// Parses a code; `None` unless it is three ASCII capital letters.
    pub fn parse(code: &str) -> Option<Self> {
        let bytes: [u8; 3] = code.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_uppercase)
            .then_some(Self(bytes))
    }

    /// The code, for example `EUR`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn symbol(&self) -> Option<&'static str> {
        match &self.0 {
            b"EUR" => Some("€"),
            b"USD" => Some("$"),
            b"GBP" => Some("£"),
            _ => None,
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl TryFrom<String> for Currency {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        Self::parse(&code).ok_or("a currency code is three capital letters")
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

/// An amount in cents. Arithmetic is checked: an overflow returns `None`, never a wrong price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Hundredths of the currency's main unit.
    pub cents: i64,
    pub currency: Currency,
}

impl Money {
    /// Creates an amount of `cents`.
    pub const fn new(cents: i64, currency: Currency) -> Self {
        Self { cents, currency }
    }

    /// The price of `quantity` units at this unit price.
    pub fn times(self, quantity: Quantity) -> Option<Self> {
        let cents = self.cents.checked_mul(i64::from(quantity.get()))?;
        Some(Self { cents, ..self })
    }

    /// The sum; `None` if the currencies differ or the sum overflows.
    pub fn plus(self, other: Self) -> Option<Self> {
        if self.currency != other.currency {
            return None;
        }
        let cents = self.cents.checked_add(other.cents)?;
        Some(Self { cents, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let units = group_digits(&(self.cents.unsigned_abs() / 100).to_string());
        let cents = self.cents.unsigned_abs() % 100;
        match self.currency.symbol() {
            Some(symbol) => write!(f, "{sign}{symbol}{units}.{cents:02}"),
            None => write!(f, "{sign}{units}.{cents:02} {}", self.currency.code()),
        }
    }
}

/// Parses an amount as people type it: `12`, `12.5`, `12.50` or `12,50`. `None` for anything else,
/// for negative amounts, and on overflow.
pub fn parse_cents(text: &str) -> Option<i64> {
    let text = text.trim().trim_start_matches('€').replace(',', ".");
    let (units, hundredths) = match text.split_once('.') {
        Some((units, rest)) if matches!(rest.len(), 1 | 2) => (units, format!("{rest:0<2}")),
        Some(_) => return None,
        None => (text.as_str(), "00".to_owned()),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(&hundredths) {
        return None;
    }
    let units: i64 = units.parse().ok()?;
    units
        .checked_mul(100)?
        .checked_add(hundredths.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_formatted_as_a_price() {
        let eur = |cents| Money::new(cents, Currency::EUR).to_string();
        assert_eq!(eur(5), "€0.05");
        assert_eq!(eur(123_456_789), "€1,234,567.89");
        assert_eq!(eur(-250), "-€2.50");
        let francs = Currency::parse("CHF").map(|c| Money::new(100_000, c).to_string());
        assert_eq!(francs.as_deref(), Some("1,000.00 CHF"));
    }

    #[test]
    fn an_overflow_is_none() {
        let huge = Money::new(i64::MAX, Currency::EUR);
        assert_eq!(Quantity::new(2).ok().and_then(|q| huge.times(q)), None);
        assert_eq!(huge.plus(Money::new(1, Currency::EUR)), None);
    }

    #[test]
    fn a_typed_amount_is_parsed() {
        for (text, cents) in [
            ("12", 1_200),
            (" 12.5", 1_250),
            ("12,50", 1_250),
            ("€0.05", 5),
        ] {
            assert_eq!(parse_cents(text), Some(cents), "{text}");
        }
        for text in ["", ".", "1.234", "-1", "1e3", "99999999999999999999"] {
            assert_eq!(parse_cents(text), None, "{text}");
        }
    }

    #[test]
    fn currencies_do_not_mix() {
        let usd = Currency::parse("USD").map(|c| Money::new(1, c));
        assert_eq!(usd.and_then(|m| m.plus(Money::new(1, Currency::EUR))), None);
        assert_eq!(Currency::parse("eur"), None);
    }
}
