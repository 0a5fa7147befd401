//! What stands in place of a page that cannot be shown.

use leptos::prelude::*;

use crate::model::ShopError;

/// A refusal as a page of its own.
#[component]
pub fn ErrorView(error: ShopError) -> impl IntoView {
    let (headline, lead) = match &error {
        ShopError::UnknownPage | ShopError::UnknownProduct => (
            "There is nothing behind this door",
            "The page you asked for does not exist, or the product has left the shop.".to_owned(),
        ),
        ShopError::UnknownOrder => (
            "There is no such order",
            "Check the link: every letter of it counts.".to_owned(),
        ),
        ShopError::Unavailable { .. } | ShopError::Busy { .. } => (
            "The shutter is down for a moment",
            format!("{error} Your cart is kept."),
        ),
        _ => ("Something went wrong", error.to_string()),
    };
    view! {
        <main class="page" id="main" tabindex="-1">
            <article class="shutter-page">
                <div class="shutter-page__slats" aria-hidden="true"></div>
                <div class="shutter-page__text">
                    <h1>{headline}</h1>
                    <p class="page-head__lead">{lead}</p>
                    <p class="shutter-page__actions">
                        {(error.retry_after_s().is_some())
                            .then(|| view! { <a class="btn btn--primary" href="">"Try again"</a>" " })}
                        <a class="btn btn--line" href="/">"Go to the shop"</a>
                    </p>
                </div>
            </article>
        </main>
    }
}
