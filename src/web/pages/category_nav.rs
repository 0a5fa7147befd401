//! The links to the categories of the catalogue.

use leptos::prelude::*;

use crate::web::addresses;

/// Links to the whole catalogue and to each category. `current` is the address of the page.
#[component]
pub fn CategoryNav(categories: Vec<String>, #[prop(into)] current: String) -> impl IntoView {
    let mark = |address: &str| (address == current).then_some("true");
    let links = categories
        .into_iter()
        .map(|name| {
            let address = addresses::category(&name);
            let mark = mark(&address);
            view! { <li><a href=address aria-current=mark dir="auto">{name}</a></li> }
        })
        .collect_view();
    view! {
        <nav class="filter" aria-label="Categories">
            <ul>
                <li><a href="/" aria-current=mark("/")>"Everything"</a></li>
                {links}
            </ul>
        </nav>
    }
}
