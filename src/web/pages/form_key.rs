//! The hidden form field with an idempotency key.

use leptos::prelude::*;
use uuid::Uuid;

/// A hidden field with a new idempotency key each time the form is rendered, so that a form that is
/// submitted several times takes effect once.
#[component]
pub fn FormKey() -> impl IntoView {
    view! { <input type="hidden" name="idempotency_key" value=Uuid::now_v7().to_string()/> }
}
