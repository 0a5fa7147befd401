//! The hidden field that names one showing of a form.

use leptos::prelude::*;
use uuid::Uuid;

/// A new idempotency key each time a form is shown: it names this very press of the button, however often it is sent.
#[component]
pub fn FormKey() -> impl IntoView {
    view! { <input type="hidden" name="idempotency_key" value=Uuid::now_v7().to_string()/> }
}
