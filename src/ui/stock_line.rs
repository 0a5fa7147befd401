//! The available stock in words, and as a roll of tickets.

/// A product with this many units or fewer is shown as low in stock.
pub const LOW_STOCK: i64 = 5;

/// Formats the available stock, as in `17 of 20 left`.
pub fn format_available(available: i64, total: i64) -> String {
    format!("{} of {total} left", available.max(0))
}

/// Returns the CSS class of the stock bar, which is drawn as a roll of tickets.
pub fn roll_class(available: i64) -> &'static str {
    if available <= LOW_STOCK {
        "roll roll--low"
    } else {
        "roll"
    }
}
