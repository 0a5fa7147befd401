//! `/checkout`: contact, delivery, payment and the reservation. All buttons belong to one form and
//! save the values that were typed.

use leptos::prelude::*;
use uuid::Uuid;

use super::{
    form_key::FormKey,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    price_notice::{PriceNotice, price_changes},
};
use crate::{
    islands::shop::HoldTimer,
    model::{Bill, CheckoutView as Checkout, Contact, ReleasedLine, Reservation, ShopError},
    shop::cart::CheckoutDraft,
    ui::{
        bill::BillRows,
        field::{Field, FieldKind},
        notice::ErrorNotice,
    },
    web::session::Notice,
};

/// The form's fields from top to bottom; a field's name is its id.
const FIELDS: [&str; 9] = [
    "name",
    "email",
    "street",
    "postal_code",
    "city",
    "country",
    "card_number",
    "card_expiry",
    "card_cvc",
];

/// `/checkout`
#[component]
pub fn CheckoutPage() -> impl IntoView {
    framed(|visit| async move {
        let cart_id = visit.cart_id().await?;
        let cart = visit.shop().carts().view(cart_id).await?;
        let mut draft = visit.shop().carts().draft(cart_id).await?;
        if draft.contact == Contact::default() {
            // What was typed before the last session ended.
            draft.contact = visit.kept_contact().unwrap_or_default();
        }
        let notice = visit.take_notice().await?;
        let body = match cart_id.filter(|_| !cart.lines.is_empty()) {
            Some(cart_id) => {
                let checkout = visit
                    .shop()
                    .carts()
                    .checkout_view(cart, &draft.code)
                    .await?;
                view! { <CheckoutView cart_id checkout draft notice/> }.into_any()
            }
            None => {
                let has_contact = visit.kept_contact().is_some();
                view! { <EmptyCheckout error=notice.map(|notice| notice.error) has_contact/> }
                    .into_any()
            }
        };
        Ok(Page::private("Checkout", Bundle::Shop, body))
    })
}

#[component]
fn EmptyCheckout(
    error: Option<ShopError>,
    /// True if the browser keeps the contact of a form whose session has ended.
    has_contact: bool,
) -> impl IntoView {
    let kept = has_contact.then_some(
        "What you typed is kept in this browser for an hour, but not the card. Put your items into the cart again: the \
         checkout is then filled in.",
    );
    let problem = error.map(|error| {
        view! { <ErrorNotice title=error.to_string()><p>{kept}</p></ErrorNotice> }
    });
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Checkout" lead="Your cart is empty. Add a product to check out."/>
            {problem}
            <p><a class="btn btn--primary btn--big" href="/">"Go to the shop"</a></p>
        </main>
    }
}

#[component]
fn CheckoutView(
    cart_id: Uuid,
    checkout: Checkout,
    draft: CheckoutDraft,
    notice: Option<Notice>,
) -> impl IntoView {
    // The error of a code that the shopper applied appears next to its field.
    let shown_at_code = notice.as_ref().is_some_and(|notice| {
        notice.typed("act") == Some("apply-code") && notice.error.is_rejection()
    }) && checkout.code.as_ref().is_some_and(|code| !code.counts);
    let error = notice.map(|notice| notice.error);
    let problem = error
        .clone()
        .filter(|_| !shown_at_code)
        .map(|error| view! { <Problem error/> });
    let reservation = checkout.cart.reservation.clone();
    let released = checkout.cart.released.clone();
    let changes = price_changes(&checkout.cart.lines);
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Checkout" lead="Check out as a guest. No account needed."/>
            {problem}
            <PriceNotice changes/>
            <form class="checkout" method="post" action="/api/form/checkout/pay">
                <FormKey/>
                <input type="hidden" name="cart_id" value=cart_id.to_string()/>
                // The shop rejects the order if the total has changed since this page was shown.
                <input type="hidden" name="expected_total_cents" value=checkout.bill.total.cents/>
                // The Enter key presses the first button of a form.
                <button class="vh" type="submit" tabindex="-1" aria-hidden="true">"Pay"</button>
                <ReservationPanel reservation released/>
                <div class="split">
                    <div>
                        <ContactFields draft=draft.clone() error=error.clone()/>
                        <CardFields error/>
                    </div>
                    <Summary checkout code=draft.code/>
                </div>
            </form>
        </main>
    }
}

/// Shows why an order was rejected, with a link to the place where the shopper can correct it.
#[component]
fn Problem(error: ShopError) -> impl IntoView {
    let link = correction_link(&error).map(|(href, text)| view! { " "<a href=href>{text}</a> });
    view! {
        <ErrorNotice title=error.to_string()>
            <p>{next_step(&error)}{link}</p>
        </ErrorNotice>
    }
}

/// Tells the shopper what to do about a rejected order.
fn next_step(error: &ShopError) -> &'static str {
    match error {
        ShopError::InsufficientStock { .. }
        | ShopError::OverCustomerLimit { .. }
        | ShopError::OverHoldLimit { .. } => {
            "Nothing was ordered. Change the quantity in your cart, then try again."
        }
        ShopError::FieldsInvalid(_) => "Nothing was ordered yet.",
        ShopError::OutcomeUnknown { .. } => "",
        ShopError::CardDeclined { .. } => "Your items are still reserved. Enter another card.",
        ShopError::ProviderUnavailable { .. } => "Your items are still reserved. Try again.",
        ShopError::ReservationExpired
        | ShopError::AlreadyExtended
        | ShopError::OverAddressHoldLimit { .. }
        | ShopError::HoldsPaused { .. }
        | ShopError::AddressHoldsPaused { .. }
        | ShopError::TotalChanged { .. } => "Your details are saved.",
        _ => "Nothing was ordered.",
    }
}

/// Returns the link to the place where the shopper can correct an error, and its text, or `None` if
/// a button of the form corrects it.
fn correction_link(error: &ShopError) -> Option<(String, &'static str)> {
    let (href, text) = match error {
        ShopError::FieldsInvalid(_) => {
            let first = FIELDS
                .iter()
                .find(|field| error.field_message(field).is_some())
                .unwrap_or(&FIELDS[0]);
            return Some((format!("#{first}"), "Go to the first field"));
        }
        ShopError::CardDeclined { .. } | ShopError::ProviderUnavailable { .. } => {
            ("#card_number", "Go to the card number")
        }
        ShopError::CodeUnknown(_)
        | ShopError::CodeNotActive(_)
        | ShopError::CodeBelowMinimum { .. }
        | ShopError::CodeUsedUp(_)
        | ShopError::CodeOverCustomerLimit { .. } => ("#code", "Change the code"),
        ShopError::InsufficientStock { .. }
        | ShopError::OverCustomerLimit { .. }
        | ShopError::OverHoldLimit { .. }
        | ShopError::SaleNotStarted { .. }
        | ShopError::SaleEnded { .. } => ("/cart", "Go to your cart"),
        _ => return None,
    };
    Some((href.to_owned(), text))
}

/// Returns the error text of a field, if there is one.
fn field_error(error: Option<&ShopError>, field: &str) -> Option<String> {
    error?.field_message(field).map(ToOwned::to_owned)
}

/// Shows the reservation, or the button that makes one.
#[component]
fn ReservationPanel(
    reservation: Option<Reservation>,
    released: Vec<ReleasedLine>,
) -> impl IntoView {
    match reservation {
        Some(Reservation {
            ends_at,
            seconds_left,
            ttl_s,
            extended,
        }) => view! { <HoldTimer seconds_left ttl_s ends_at extended buttons=true/> }.into_any(),
        None => {
            let (headline, note) = if released.is_empty() {
                let note = "Reserve them now, before they sell out.".to_owned();
                ("Your items are not reserved", note)
            } else {
                let units: Vec<_> = released.iter().map(ReleasedLine::in_words).collect();
                let note = format!(
                    "{} returned to stock. Your details are saved. Reserve again while stock lasts.",
                    units.join(", ")
                );
                ("Your reservation has expired", note)
            };
            view! {
                <div class="hold hold--over" role="group" aria-label="Reservation">
                    <p class="hold__line"><span class="hold__until">{headline}</span></p>
                    <p class="hold__note" role="status">{note}</p>
                    <div class="hold__actions">
                        <button
                            class="btn btn--primary"
                            type="submit"
                            name="act"
                            value="reserve"
                            formaction="/api/form/checkout/change"
                            formnovalidate
                        >
                            {if released.is_empty() { "Reserve now" } else { "Reserve again" }}
                        </button>
                    </div>
                </div>
            }
            .into_any()
        }
    }
}

#[component]
fn ContactFields(draft: CheckoutDraft, error: Option<ShopError>) -> impl IntoView {
    let contact = draft.contact;
    let about = |field: &str| field_error(error.as_ref(), field);
    view! {
        <fieldset class="panel">
            <legend>"Contact"</legend>
            <div class="fields">
                <Field name="name" label="Full name" kind=FieldKind::text("name") value=contact.name error=about("name")/>
                <Field
                    name="email"
                    label="E-mail"
                    kind=FieldKind { input: "email", autocomplete: "email", keyboard: "email" }
                    value=contact.email
                    error=about("email")
                    hint="Used to look up your order."
                />
            </div>
        </fieldset>
        <fieldset class="panel">
            <legend>"Delivery"</legend>
            <div class="fields">
                <Field name="street" label="Street and number" kind=FieldKind::text("street-address") value=contact.street error=about("street")/>
                <Field name="postal_code" label="Postal code" kind=FieldKind::text("postal-code") value=contact.postal_code error=about("postal_code") width="third"/>
                <Field name="city" label="City" kind=FieldKind::text("address-level2") value=contact.city error=about("city") width="two-thirds"/>
                <Field name="country" label="Country" kind=FieldKind::text("country-name") value=contact.country error=about("country")/>
            </div>
        </fieldset>
    }
}

/// The card's fields. They are always empty: the shop never stores a card.
#[component]
fn CardFields(error: Option<ShopError>) -> impl IntoView {
    let about = |field: &str| field_error(error.as_ref(), field);
    let digits = |autocomplete| FieldKind {
        keyboard: "numeric",
        ..FieldKind::text(autocomplete)
    };
    view! {
        <fieldset class="panel">
            <legend>"Payment"</legend>
            <div class="fields">
                <Field
                    name="card_number"
                    label="Card number"
                    kind=digits("cc-number")
                    value=String::new()
                    error=about("card_number")
                    hint="Sent to the payment provider, never stored here. Test card: 4242 4242 4242 4242."
                />
                <Field name="card_expiry" label="Expires" kind=digits("cc-exp") value=String::new() error=about("card_expiry") hint="Month and year, for example 12/30." width="half"/>
                <Field name="card_cvc" label="Security code" kind=digits("cc-csc") value=String::new() error=about("card_cvc") hint="3 or 4 digits." width="half"/>
            </div>
        </fieldset>
    }
}

#[component]
fn Summary(checkout: Checkout, code: String) -> impl IntoView {
    let Checkout {
        cart,
        bill,
        code: applied,
    } = checkout;
    let items = cart
        .lines
        .iter()
        .map(|line| {
            view! {
                <li>
                    <span>{line.product.name.clone()}" "<span class="qty">{format!("× {}", line.quantity)}</span></span>" "
                    <span>{line.amount.to_string()}</span>
                </li>
            }
        })
        .collect_view();
    let Bill { total, .. } = bill;
    let news = applied.map(|applied| {
        let class = if applied.counts {
            "code__news code__news--ok"
        } else {
            "code__news code__news--bad"
        };
        view! { <p class=class id="code-news" role="status">{applied.text}</p> }
    });
    let described_by = news.is_some().then_some("code-news");
    view! {
        <aside class="summary" aria-labelledby="sum-title">
            <h2 id="sum-title">"Your order"</h2>
            <ul class="summary__items">{items}</ul>
            <div class="code" id="discount">
                <label class="field__label" for="code">"Discount code"</label>
                <div class="code__row">
                    <input
                        class="field__input"
                        id="code"
                        name="code"
                        type="text"
                        autocomplete="off"
                        maxlength="40"
                        value=code
                        aria-describedby=described_by
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
                {news}
            </div>
            <dl class="summary__rows"><BillRows bill/></dl>
            <p class="summary__total"><span>"Total"</span>" "<span class="num">{total.to_string()}</span></p>
            <button class="btn btn--primary btn--big btn--block" type="submit">{format!("Pay {total}")}</button>
            <p class="summary__fine">
                "Tapping twice won’t charge you twice. If your card is declined, your items stay reserved."
            </p>
        </aside>
    }
}
