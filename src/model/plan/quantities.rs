//! The quantity per attempt: fixed or a range.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{Quantity, ShopError};

/// Units per attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quantities {
    /// The same quantity for every attempt.
    Fixed(Quantity),
    /// A random quantity from `min` to `max`, determined by the seed.
    Range { min: Quantity, max: Quantity },
}

impl Quantities {
    /// The smallest quantity.
    pub const fn min(self) -> Quantity {
        match self {
            Self::Fixed(quantity) | Self::Range { min: quantity, .. } => quantity,
        }
    }

    /// The largest quantity.
    pub const fn max(self) -> Quantity {
        match self {
            Self::Fixed(quantity) | Self::Range { max: quantity, .. } => quantity,
        }
    }

    /// Parses `3` or `1..3`; both ends are included.
    ///
    /// # Errors
    /// [`ShopError::QuantityInvalid`] for an invalid quantity; [`ShopError::Invalid`] for a
    /// descending range.
    pub fn parse(typed: &str) -> Result<Self, ShopError> {
        let Some((min, max)) = typed.split_once("..") else {
            return Quantity::parse(typed).map(Self::Fixed);
        };
        let (min, max) = (Quantity::parse(min)?, Quantity::parse(max)?);
        match min.cmp(&max) {
            std::cmp::Ordering::Less => Ok(Self::Range { min, max }),
            std::cmp::Ordering::Equal => Ok(Self::Fixed(min)),
            std::cmp::Ordering::Greater => Err(ShopError::Invalid(format!(
                "a range must begin with its smaller number: {max}..{min}, not {min}..{max}"
            ))),
        }
    }
}

impl fmt::Display for Quantities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(quantity) => quantity.fmt(f),
            Self::Range { min, max } => write!(f, "{min}..{max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_or_a_range_parses_and_formats() {
        for typed in ["1", "3", "1..3", "2..1000"] {
            assert_eq!(
                Quantities::parse(typed).map(|read| read.to_string()),
                Ok(typed.to_owned())
            );
        }
        assert_eq!(
            Quantities::parse("2..2").map(|read| read.to_string()),
            Ok("2".to_owned())
        );
        for typed in [
            "", "0", "..", "1..", "..3", "0..2", "1..1001", "1...3", "1-3",
        ] {
            assert_eq!(
                Quantities::parse(typed),
                Err(ShopError::QuantityInvalid),
                "{typed:?}"
            );
        }
    }

    #[test]
    fn the_error_for_a_descending_range_shows_the_right_order() {
        let error = Quantities::parse("4..2").err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("2..4, not 4..2"), "{error}");
    }
}
