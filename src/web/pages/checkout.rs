//! `/checkout`: who it is for, where it goes, how it is paid, and until when it is reserved. One form, whose buttons all keep what was typed.

use leptos::prelude::*;
use uuid::Uuid;

use super::{
    form_key::FormKey,
    frame::{Bundle, Page, framed},
};
use crate::{
    islands::shop::HoldTimer,
    model::{Bill, CheckoutView as Checkout, ReleasedLine, Reservation, ShopError},
    shop::cart::Draft,
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
        let cart = visit.shop().cart(cart_id).await?;
        let draft = visit.shop().draft(cart_id).await?;
        let notice = visit.take_notice().await?;
        let body = match cart_id.filter(|_| !cart.lines.is_empty()) {
            Some(cart_id) => {
                let checkout = visit.shop().checkout_view(cart, &draft.code).await?;
                view! { <CheckoutView cart_id checkout draft notice/> }.into_any()
            }
            None => view! { <NothingToOrder/> }.into_any(),
        };
        Ok(Page::private("Checkout", Bundle::Shop, body))
    })
}

#[component]
fn NothingToOrder() -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <div class="page-head">
                <h1>"Checkout"</h1>
                <p class="page-head__lead">"Your cart is empty: there is nothing to order."</p>
            </div>
            <p><a class="btn btn--primary btn--big" href="/">"Go to the shop"</a></p>
        </main>
    }
}

#[component]
fn CheckoutView(
    cart_id: Uuid,
    checkout: Checkout,
    draft: Draft,
    notice: Option<Notice>,
) -> impl IntoView {
    // A code that was only tried is answered beside its field.
    let tried_code = notice.as_ref().is_some_and(|notice| {
        notice.typed("act") == Some("apply-code") && notice.error.is_rejection()
    }) && checkout.code.as_ref().is_some_and(|code| !code.counts);
    let error = notice.map(|notice| notice.error);
    let problem = error
        .clone()
        .filter(|_| !tried_code)
        .map(|error| view! { <Problem error/> });
    let reservation = checkout.cart.reservation.clone();
    let released = checkout.cart.released.clone();
    view! {
        <main class="page" id="main" tabindex="-1">
            <div class="page-head">
                <h1>"Checkout"</h1>
                <p class="page-head__lead">"You order as a guest. No account is needed."</p>
            </div>
            {problem}
            <form class="checkout" method="post" action="/api/form/checkout/pay">
                <FormKey/>
                <input type="hidden" name="cart_id" value=cart_id.to_string()/>
                // What is shown is what is charged, or nothing is.
                <input type="hidden" name="expected_total_cents" value=checkout.bill.total.cents/>
                // The first button of a form is the one that the Enter key presses.
                <button class="vh" type="submit" tabindex="-1" aria-hidden="true">"Pay"</button>
                <Hold reservation released/>
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

/// What was refused, and where to put it right.
#[component]
fn Problem(error: ShopError) -> impl IntoView {
    let link = place_of(&error).map(|(href, text)| view! { " "<a href=href>{text}</a> });
    view! {
        <ErrorNotice title=error.to_string()>
            <p>{advice(&error)}{link}</p>
        </ErrorNotice>
    }
}

/// What to do about a refused order.
fn advice(error: &ShopError) -> &'static str {
    match error {
        ShopError::InsufficientStock { .. } | ShopError::OverCustomerLimit { .. } => {
            "Nothing was ordered. Change the quantity in your cart, then order again."
        }
        ShopError::FieldsInvalid(_) => "Nothing was ordered yet.",
        ShopError::OutcomeUnknown { .. } => "",
        ShopError::CardDeclined { .. } => {
            "Your reservation stands, and the form is as it was. Try another card."
        }
        ShopError::ProviderAway { .. } => "Your reservation stands, and the form is as it was.",
        ShopError::ReservationGone
        | ShopError::AlreadyExtended
        | ShopError::TotalChanged { .. } => "What you typed is still here.",
        _ => "Nothing was ordered.",
    }
}

/// Where a refusal can be put right, and the words that lead there; none where a button of the form does it.
fn place_of(error: &ShopError) -> Option<(String, &'static str)> {
    let (href, text) = match error {
        ShopError::FieldsInvalid(_) => {
            let first = FIELDS
                .iter()
                .find(|field| error.about_field(field).is_some())
                .unwrap_or(&FIELDS[0]);
            return Some((format!("#{first}"), "Go to the first of them"));
        }
        ShopError::CardDeclined { .. } | ShopError::ProviderAway { .. } => {
            ("#card_number", "Enter a card")
        }
        ShopError::CodeUnknown(_)
        | ShopError::CodeNotOpen(_)
        | ShopError::CodeBelowMinimum { .. }
        | ShopError::CodeUsedUp(_)
        | ShopError::CodeOverCustomerLimit { .. } => ("#code", "Change the code"),
        ShopError::InsufficientStock { .. }
        | ShopError::OverCustomerLimit { .. }
        | ShopError::SaleNotStarted { .. }
        | ShopError::SaleEnded { .. } => ("/cart", "Go to your cart"),
        _ => return None,
    };
    Some((href.to_owned(), text))
}

/// The sentence about a field, if there is one.
fn about(error: Option<&ShopError>, field: &str) -> Option<String> {
    error?.about_field(field).map(ToOwned::to_owned)
}

/// The reservation, or the button that makes one.
#[component]
fn Hold(reservation: Option<Reservation>, released: Vec<ReleasedLine>) -> impl IntoView {
    match reservation {
        Some(Reservation {
            ends_at,
            seconds_left,
            ttl_s,
            extended,
        }) => view! { <HoldTimer seconds_left ttl_s ends_at extended buttons=true/> }.into_any(),
        None => {
            let (headline, note) = if released.is_empty() {
                let note = "Reserve before somebody else takes it.".to_owned();
                ("Nothing is reserved for you", note)
            } else {
                let units: Vec<_> = released
                    .iter()
                    .map(|line| format!("{} × {}", line.quantity, line.product_name))
                    .collect();
                let note = format!(
                    "{} went back to the shelf. What you typed is still here. Reserve again to go on, while there is stock.",
                    units.join(", ")
                );
                ("Your reservation has run out", note)
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
fn ContactFields(draft: Draft, error: Option<ShopError>) -> impl IntoView {
    let contact = draft.contact;
    let about = |field: &str| about(error.as_ref(), field);
    view! {
        <fieldset class="panel">
            <legend>"Who is it for?"</legend>
            <div class="fields">
                <Field name="name" label="Full name" kind=FieldKind::text("name") value=contact.name error=about("name")/>
                <Field
                    name="email"
                    label="E-mail"
                    kind=FieldKind { input: "email", autocomplete: "email", keyboard: "email" }
                    value=contact.email
                    error=about("email")
                    hint="It finds your order again, and limits for each customer count by it."
                />
            </div>
        </fieldset>
        <fieldset class="panel">
            <legend>"Where does it go?"</legend>
            <div class="fields">
                <Field name="street" label="Street and number" kind=FieldKind::text("street-address") value=contact.street error=about("street")/>
                <Field name="postal_code" label="Postal code" kind=FieldKind::text("postal-code") value=contact.postal_code error=about("postal_code") width="third"/>
                <Field name="city" label="City" kind=FieldKind::text("address-level2") value=contact.city error=about("city") width="two-thirds"/>
                <Field name="country" label="Country" kind=FieldKind::text("country-name") value=contact.country error=about("country")/>
            </div>
        </fieldset>
    }
}

/// The card's fields are always empty: a card is kept nowhere.
#[component]
fn CardFields(error: Option<ShopError>) -> impl IntoView {
    let about = |field: &str| about(error.as_ref(), field);
    let digits = |autocomplete| FieldKind {
        keyboard: "numeric",
        ..FieldKind::text(autocomplete)
    };
    view! {
        <fieldset class="panel">
            <legend>"How do you pay?"</legend>
            <div class="fields">
                <Field
                    name="card_number"
                    label="Card number"
                    kind=digits("cc-number")
                    value=String::new()
                    error=about("card_number")
                    hint="It goes to the payment provider and is kept nowhere here. To try it: 4242 4242 4242 4242."
                />
                <Field name="card_expiry" label="Expires" kind=digits("cc-exp") value=String::new() error=about("card_expiry") hint="Month and year, as in 12/30." width="half"/>
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
                        // The answer is where the field is: redirects keep the fragment.
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
                "Pressing twice orders once. If your card is declined, nothing is charged and nothing is lost."
            </p>
        </aside>
    }
}
