//! The notice about prices that changed while the shopper had the products reserved.

use leptos::prelude::*;

use crate::model::CartLine;

/// The sentences about changed prices, one for each product.
pub fn price_changes(lines: &[CartLine]) -> Vec<String> {
    lines.iter().filter_map(CartLine::price_change).collect()
}

/// Shows changed prices; shows nothing if none changed.
#[component]
pub fn PriceNotice(changes: Vec<String>) -> impl IntoView {
    (!changes.is_empty()).then(|| {
        let changes = changes
            .into_iter()
            .map(|change| view! { <li>{change}</li> })
            .collect_view();
        view! {
            <div class="notice notice--warn" role="status">
                <p class="notice__title">"A price has changed since you reserved"</p>
                <p>"Your items are still reserved. The total below has the new price."</p>
                <ul>{changes}</ul>
            </div>
        }
    })
}
