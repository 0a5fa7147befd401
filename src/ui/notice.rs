//! Notices: boxes that alert the reader.

use leptos::prelude::*;

/// Shows an error: the title says what went wrong, the children say what to do about it.
#[component]
pub fn ErrorNotice(#[prop(into)] title: String, children: Children) -> impl IntoView {
    view! {
        <div class="notice notice--error" role="alert" id="problem" tabindex="-1">
            <p class="notice__title">{title}</p>
            {children()}
        </div>
    }
}
