//! A time of the shop on a page.

use leptos::prelude::*;

/// Shows a time, such as `2026-12-12 12:12 UTC`, also in a form for programs. The browser shows it
/// in the visitor's own time zone, by `public/local_times.js`.
#[component]
pub fn UtcTime(at: String) -> impl IntoView {
    let datetime = at
        .strip_suffix(" UTC")
        .map(|time| format!("{}Z", time.replace(' ', "T")));
    view! { <time datetime=datetime>{at}</time> }
}
