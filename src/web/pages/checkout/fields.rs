//! The fields of the checkout: contact, delivery, discount code and card.

use leptos::prelude::*;

use crate::{
    model::{
        AppliedCode, ShopError,
        country::{self, Country, PostalCode},
    },
    shop::cart::CheckoutDraft,
    ui::field::{Field, FieldKind},
};

#[component]
pub(super) fn ContactFields(draft: CheckoutDraft, error: Option<ShopError>) -> impl IntoView {
    let contact = draft.contact;
    let about = |field: &str| field_error(error.as_ref(), field);
    view! {
        <fieldset class="panel">
            <legend>"Contact"</legend>
            <div class="fields">
                <Field name="name" label="Full name" kind=FieldKind::text("name") value=contact.name error=about("name") enter="next"/>
                <Field
                    name="email"
                    label="E-mail"
                    kind=FieldKind::EMAIL
                    value=contact.email
                    error=about("email")
                    hint="Used to look up your order."
                    enter="next"
                />
            </div>
        </fieldset>
    }
}

#[component]
pub(super) fn DeliveryFields(draft: CheckoutDraft, error: Option<ShopError>) -> impl IntoView {
    let contact = draft.contact;
    let about = |field: &str| field_error(error.as_ref(), field);
    let country = country::find(&contact.country);
    // The country may still change: the page's script decides what is required, or else the shop.
    let postal_code_hint = match country.map(|country| country.postal_code) {
        Some(PostalCode::Required) => "",
        _ => "If your country has one.",
    };
    view! {
        <fieldset class="panel">
            <legend>"Delivery"</legend>
            <div class="fields">
                <CountryField chosen=country.copied() error=about("country")/>
                <Field name="street" label="Street and number" kind=FieldKind::text("street-address") value=contact.street error=about("street") enter="next"/>
                <Field
                    name="postal_code"
                    label="Postal code"
                    kind=FieldKind::text("postal-code")
                    value=contact.postal_code
                    error=about("postal_code")
                    width="third"
                    enter="next"
                    optional=true
                    hint=postal_code_hint
                />
                <Field name="city" label="City" kind=FieldKind::text("address-level2") value=contact.city error=about("city") width="two-thirds" enter="next" optional=true/>
            </div>
        </fieldset>
    }
}

/// The list of countries. Each says whether it has postal codes, for the page's script.
#[component]
fn CountryField(chosen: Option<Country>, error: Option<String>) -> impl IntoView {
    let options = country::all()
        .iter()
        .map(|country| {
            let is_chosen = chosen.is_some_and(|chosen| chosen.code == country.code);
            view! {
                <option
                    value=country.code
                    selected=is_chosen
                    data-postal=country.postal_code.as_str()
                    data-city=country.has_city.then_some("")
                >
                    {country.name}
                </option>
            }
        })
        .collect_view();
    let class = match error {
        Some(_) => "field field--error",
        None => "field",
    };
    let described_by = error.is_some().then_some("country-error");
    view! {
        <div class=class>
            <label class="field__label" for="country">"Country"</label>
            <select
                class="field__input"
                id="country"
                name="country"
                autocomplete="country"
                required
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=described_by
            >
                <option value="" selected=chosen.is_none()>"Choose a country"</option>
                {options}
            </select>
            {error.map(|error| view! { <p class="field__error" id="country-error">{error}</p> })}
        </div>
    }
}

/// The discount code, above the payment, so that the total is known before the card is typed.
#[component]
pub(super) fn CodeField(code: String, applied: Option<AppliedCode>) -> impl IntoView {
    let news = applied.map(|applied| {
        let class = if applied.counts {
            "code__news code__news--ok"
        } else {
            "code__news code__news--bad"
        };
        view! { <p class=class>{applied.text}</p> }
    });
    view! {
        <fieldset class="panel">
            <legend>"Discount"</legend>
            <div class="code" id="discount">
                <label class="field__label" for="code">"Discount code"</label>
                <div class="code__row">
                    <input
                        class="field__input"
                        id="code"
                        name="code"
                        type="text"
                        autocomplete="off"
                        autocapitalize="characters"
                        spellcheck="false"
                        enterkeyhint="done"
                        value=code
                        aria-describedby="code-news"
                    />
                    <button
                        class="btn"
                        type="submit"
                        name="act"
                        value="apply-code"
                        // The result appears next to the field: redirects keep the fragment.
                        formaction="/api/form/checkout/change#discount"
                        formnovalidate
                    >
                        "Apply"
                    </button>
                </div>
                <div id="code-news" role="status" data-part="code">{news}</div>
            </div>
        </fieldset>
    }
}

/// The card's fields. They are always empty: the shop never stores a card.
#[component]
pub(super) fn CardFields(error: Option<ShopError>, was_rejected: bool) -> impl IntoView {
    let about = |field: &str| field_error(error.as_ref(), field);
    let digits = |autocomplete| FieldKind {
        keyboard: "numeric",
        ..FieldKind::text(autocomplete)
    };
    let again = was_rejected.then(|| {
        view! { <p class="card-again">"Enter the card again: the shop never stores it."</p> }
    });
    view! {
        <fieldset class="panel">
            <legend>"Payment"</legend>
            {again}
            <noscript>
                <p class="card-again">"Enter the card last: applying a code or adding time clears it."</p>
            </noscript>
            <div class="fields">
                <Field
                    name="card_number"
                    label="Card number"
                    kind=digits("cc-number")
                    value=String::new()
                    error=about("card_number")
                    hint="Sent to the payment provider, never stored here. Test card: 4242 4242 4242 4242."
                    enter="next"
                />
                <Field name="card_expiry" label="Expires" kind=digits("cc-exp") value=String::new() error=about("card_expiry") hint="Month and year, for example 12/30." width="half" enter="next"/>
                <Field name="card_cvc" label="Security code" kind=digits("cc-csc") value=String::new() error=about("card_cvc") hint="3 or 4 digits." width="half" enter="go"/>
            </div>
        </fieldset>
    }
}

/// Returns the error text of a field, if there is one.
fn field_error(error: Option<&ShopError>, field: &str) -> Option<String> {
    error?.field_message(field).map(ToOwned::to_owned)
}
