//! The available stock, as a badge and in words.

use leptos::prelude::*;

/// A product with this many units or fewer is shown as low in stock.
pub const LOW_STOCK: i64 = 5;

/// Shows a badge: in stock, low in stock or sold out.
#[component]
pub fn StockBadge(available: i64) -> impl IntoView {
    let (class, text) = match available {
        ..=0 => ("badge badge--out", "Sold out".to_owned()),
        1 => ("badge badge--low", "Last one".to_owned()),
        2..=LOW_STOCK => ("badge badge--low", format!("Only {available} left")),
        _ => ("badge badge--ok", "In stock".to_owned()),
    };
    view! { <span class=class>{text}</span> }
}

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
