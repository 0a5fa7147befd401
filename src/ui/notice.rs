//! A box that says something to the reader at once.

use leptos::prelude::*;

/// What went wrong, as the title; what to do about it, as the children.
#[component]
pub fn ErrorNotice(#[prop(into)] title: String, children: Children) -> impl IntoView {
    view! {
        <div class="notice notice--error" role="alert" id="problem" tabindex="-1">
            <p class="notice__title">{title}</p>
            {children()}
        </div>
    }
}
