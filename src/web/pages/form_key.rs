//! The hidden fields of every form: its page, and an idempotency key.

use axum::http::request::Parts;
use leptos::prelude::*;
use uuid::Uuid;

use crate::web::{
    AppState, form_keys,
    request_path::address_of,
    sent_form::{COOKIE_FIELD, PAGE_FIELD},
    visitor::SentCookies,
};

/// A hidden field with a new idempotency key each time the form is rendered, so that a form that is
/// submitted several times takes effect once; and the fields of [`FormPage`].
#[component]
pub fn FormKey() -> impl IntoView {
    let key = match use_context::<AppState>() {
        Some(state) => form_keys::issue(&state.payment_secret),
        // Not reached in a request, which always has the state.
        None => Uuid::now_v7().to_string(),
    };
    view! {
        <input type="hidden" name="idempotency_key" value=key/>
        <FormPage/>
    }
}

/// Hidden fields that name the form's page, to which an error leads back, and say whether the
/// browser has sent a cookie: one that has not, and sends the form without one, blocks cookies.
#[component]
pub fn FormPage() -> impl IntoView {
    let parts = use_context::<Parts>()?;
    let sent = parts.extensions.get::<SentCookies>();
    let had_cookie = sent.is_some_and(|sent| !sent.is_empty());
    Some(view! {
        <input type="hidden" name=PAGE_FIELD value=address_of(&parts.uri)/>
        {had_cookie.then(|| view! { <input type="hidden" name=COOKIE_FIELD value="1"/> })}
    })
}
