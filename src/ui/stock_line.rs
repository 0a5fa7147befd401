//! How much is left, as a badge and in words.

use leptos::prelude::*;

/// Units at or below which a product is said to be running out.
pub const LOW_STOCK: i64 = 5;

/// The badge: in stock, running out, sold out.
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

/// `17 of 20 left`.
pub fn left_in_words(available: i64, total: i64) -> String {
    format!("{} of {total} left", available.max(0))
}

/// The class of the roll of tickets.
pub fn roll_class(available: i64) -> &'static str {
    if available <= LOW_STOCK {
        "roll roll--low"
    } else {
        "roll"
    }
}
