//! The hidden form field with an idempotency key.

use leptos::prelude::*;
use uuid::Uuid;

use crate::web::{AppState, form_keys};

/// A hidden field with a new idempotency key each time the form is rendered, so that a form that is
/// submitted several times takes effect once.
#[component]
pub fn FormKey() -> impl IntoView {
    let key = match use_context::<AppState>() {
        Some(state) => form_keys::issue(&state.payment_secret),
        // Not reached in a request, which always has the state.
        None => Uuid::now_v7().to_string(),
    };
    view! { <input type="hidden" name="idempotency_key" value=key/> }
}
