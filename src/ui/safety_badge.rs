//! Whether a strategy is safe or unsafe.

use leptos::prelude::*;

use crate::model::StrategyKey;

/// "Safe" or "Unsafe", in its colour.
#[component]
pub fn SafetyBadge(strategy: StrategyKey) -> impl IntoView {
    let (class, word) = if strategy.is_safe() {
        ("badge badge--ok", "Safe")
    } else {
        ("badge badge--bad", "Unsafe")
    };
    view! { <span class=class>{word}</span> }
}
