//! `/cookies`: where a form leads whose browser blocks cookies.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    frame::{Bundle, Page, framed},
    page_head::PageHead,
};
use crate::web::sent_form::is_local;

/// `/cookies?from=…`
#[component]
pub fn CookiesPage() -> impl IntoView {
    let from = use_query_map().get_untracked().get("from");
    // Anyone can write a link to this page: it leads only to pages of this shop.
    let back = from
        .filter(|page| is_local(page))
        .unwrap_or_else(|| "/".to_owned());
    framed(|visit| async move {
        let body = if visit.sends_cookies() {
            view! { <CookiesWork back/> }.into_any()
        } else {
            view! { <CookiesBlocked back/> }.into_any()
        };
        Ok(Page::private("Cookies", Bundle::None, body))
    })
}

#[component]
fn CookiesBlocked(back: String) -> impl IntoView {
    view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <PageHead
                title="Your browser blocks cookies"
                lead="Nothing was added or reserved, and you are not signed in."
            />
            <div class="panel panel--text">
                <p>
                    "The shop needs one cookie, to recognise your cart and your sign-in. It is not used for advertising. \
                     If you deleted your cookies just now, open the page again: that is enough."
                </p>
                <ol>
                    <li>"Open your browser’s settings for this site, beside its address, and allow cookies."</li>
                    <li>"Go back to the page, and press the button again."</li>
                </ol>
                <p>"You can look at products and find an order without cookies."</p>
                <p><a class="btn btn--primary btn--big" href=back>"Back to the page"</a></p>
            </div>
        </main>
    }
}

#[component]
fn CookiesWork(back: String) -> impl IntoView {
    view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <PageHead title="Cookies work" lead="Your browser sends the shop’s cookie."/>
            <div class="panel panel--text">
                <p>"Go back to the page, and press the button again."</p>
                <p><a class="btn btn--primary btn--big" href=back>"Back to the page"</a></p>
            </div>
        </main>
    }
}
