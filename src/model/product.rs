//! A product as pages show it.

use serde::{Deserialize, Serialize};

use super::{Money, Quantity, SalePlan, SaleState, SellOut, ShopError, StockCounts, text::clean};

/// Maximum length of a name, in characters. An accent that is a character of its own counts.
pub const NAME_CHARS_MAX: usize = 120;

/// A product of the catalogue, with its sale and its stock when they were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub description: String,
    pub category: String,
    /// Path below the asset root, as in `artwork/flash-sale-smartphone.svg`.
    pub artwork: String,
    pub price: Money,
    /// A higher price to compare the price with.
    pub compare_at: Option<Money>,
    /// The maximum units for one customer, over all of their orders.
    pub per_customer_limit: Option<u32>,
    pub plan: SalePlan,
    /// Units that can be bought. Negative only on an oversold lane of an unsafe strategy.
    pub available: i64,
    /// Units reserved for carts and for orders that are being paid.
    pub reserved: i64,
    pub sold: i64,
    /// Units ever added to stock.
    pub total: i64,
    /// When this was read, in Unix milliseconds by the database's clock.
    pub read_at_ms: i64,
    /// How the current sale sold out; `None` unless everything is sold, and if it is not known.
    pub sell_out: Option<SellOut>,
}

impl Product {
    /// The error for a request of `quantity` that the stock cannot cover.
    pub fn insufficient(&self, quantity: Quantity) -> ShopError {
        insufficient(&self.name, self.available, quantity)
    }

    /// The four counters.
    pub fn counts(&self) -> StockCounts {
        StockCounts {
            available: self.available,
            reserved: self.reserved,
            sold: self.sold,
            total: self.total,
        }
    }

    /// The state of the sale when the product was read.
    pub fn state(&self) -> SaleState {
        self.plan.state_at(self.read_at_ms, self.counts())
    }

    /// True if no unit is available.
    pub fn is_sold_out(&self) -> bool {
        self.available <= 0
    }
}

/// Checks the name of a new product, and returns it without characters that cannot be seen.
///
/// # Errors
/// [`ShopError::FieldsInvalid`] for `name`: it is empty, or longer than [`NAME_CHARS_MAX`].
pub fn check_name(name: &str) -> Result<String, ShopError> {
    let name = clean(name);
    match name.chars().count() {
        0 => Err(ShopError::field_invalid("name", "Enter a name.")),
        1..=NAME_CHARS_MAX => Ok(name),
        count => Err(ShopError::field_invalid(
            "name",
            format!("This name has {count} characters. Use at most {NAME_CHARS_MAX}."),
        )),
    }
}

/// Creates [`ShopError::InsufficientStock`]; a negative counter counts as 0 available.
pub fn insufficient(product: &str, available: i64, quantity: Quantity) -> ShopError {
    ShopError::InsufficientStock {
        product: product.to_owned(),
        available: u64::try_from(available).unwrap_or(0),
        requested: quantity.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(name: &str) -> Option<String> {
        let error = check_name(name).err()?;
        error.field_message("name").map(ToOwned::to_owned)
    }

    #[test]
    fn a_name_has_at_most_120_characters_of_any_script() {
        for letter in ["a", "ß", "ם", "ق", "山", "न", "😀"] {
            let longest = letter.repeat(NAME_CHARS_MAX);
            assert_eq!(check_name(&longest), Ok(longest.clone()), "{letter}");
            assert_eq!(
                error(&(longest + letter)).as_deref(),
                Some("This name has 121 characters. Use at most 120."),
                "{letter}"
            );
        }
        let long = error(&"x".repeat(200));
        assert_eq!(
            long.as_deref(),
            Some("This name has 200 characters. Use at most 120.")
        );
    }

    /// An accent is a character, also if it is drawn over another one.
    #[test]
    fn combining_marks_count() {
        for letter in ["e\u{301}", "ق\u{64e}", "ไ\u{e48}"] {
            let longest = letter.repeat(NAME_CHARS_MAX / 2);
            assert_eq!(check_name(&longest), Ok(longest.clone()), "{letter}");
            let longer = format!("{longest}{}", letter.chars().next().unwrap_or('x'));
            assert!(error(&longer).is_some(), "{letter}");
        }
    }

    #[test]
    fn characters_that_cannot_be_seen_do_not_count() {
        let longest = "ق".repeat(NAME_CHARS_MAX);
        let pasted = format!("\u{202b} {longest}\u{202c}\u{feff}\n");
        assert_eq!(check_name(&pasted), Ok(longest));
        for empty in ["", " \u{200b}\u{2060}\t"] {
            assert_eq!(error(empty).as_deref(), Some("Enter a name."), "{empty:?}");
        }
    }
}
