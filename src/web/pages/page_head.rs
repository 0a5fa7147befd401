//! The head of a page.

use leptos::prelude::*;

/// Shows a page's title and, if there is one, a sentence that introduces the page.
#[component]
pub fn PageHead(
    #[prop(into)] title: String,
    #[prop(into, optional)] lead: Option<String>,
) -> impl IntoView {
    view! {
        <div class="page-head">
            <h1>{title}</h1>
            {lead.map(|lead| view! { <p class="page-head__lead">{lead}</p> })}
        </div>
    }
}
