//! The error view that replaces a page that cannot be shown.

use leptos::prelude::*;

use crate::{model::ShopError, web::retry_page::Retry};

/// Shows an error as a page. One that passes says how the page tries again.
#[component]
pub fn ErrorView(error: ShopError, retry: Option<Retry>) -> impl IntoView {
    let (headline, lead) = match &error {
        ShopError::UnknownPage | ShopError::UnknownProduct => (
            "Page not found",
            "This page does not exist, or the product is no longer sold.".to_owned(),
        ),
        ShopError::UnknownOrder => (
            "Order not found",
            "Check that the link is complete.".to_owned(),
        ),
        ShopError::Unavailable { .. } | ShopError::Busy { .. } | ShopError::NetworkBusy { .. } => (
            "The shop is unavailable for a moment",
            format!("{error} Your cart is saved."),
        ),
        _ => ("Something went wrong", error.on_page()),
    };
    let retry = retry.filter(|_| error.status() == 503);
    // The first button is the yellow one.
    let shop_link = if error.retry_after_s().is_some() {
        "btn btn--line"
    } else {
        "btn btn--primary"
    };
    let address = retry.as_ref().map(|retry| retry.address().to_owned());
    view! {
        <main class="page" id="main" tabindex="-1">
            <article class="shutter-page">
                <div class="shutter-page__slats" aria-hidden="true"></div>
                <div class="shutter-page__text">
                    <h1>{headline}</h1>
                    <p class="page-head__lead">{lead}</p>
                    {retry.map(|retry| view! { <p role="status">{retry.sentence()}</p> })}
                    <p class="shutter-page__actions">
                        {(error.retry_after_s().is_some())
                            .then(|| {
                                let address = address.unwrap_or_default();
                                view! { <a class="btn btn--primary" href=address>"Try again"</a>" " }
                            })}
                        <a class=shop_link href="/">"Go to the shop"</a>
                    </p>
                </div>
            </article>
        </main>
    }
}
