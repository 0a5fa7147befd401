//! `/checkout`: who it is for, where it goes, and the button.

use leptos::prelude::*;
use uuid::Uuid;

use super::{
    cart::advice,
    frame::{Bundle, Page, framed},
};
use crate::{
    model::{CartView as Cart, Contact, ShopError},
    ui::{
        field::{Field, FieldKind},
        notice::ErrorNotice,
    },
};

/// `/checkout`
#[component]
pub fn CheckoutPage() -> impl IntoView {
    framed(|visit| async move {
        let cart_id = visit.cart_id().await?;
        let cart = visit.shop().cart(cart_id).await?;
        let draft = visit.shop().draft(cart_id).await?;
        let error = visit.take_notice().await?.map(|notice| notice.error);
        let body = match cart_id.filter(|_| !cart.lines.is_empty()) {
            Some(cart_id) => view! { <CheckoutView cart_id cart draft error/> }.into_any(),
            None => view! { <NothingToOrder/> }.into_any(),
        };
        Ok(Page::private("Checkout", Bundle::None, body))
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
    cart: Cart,
    draft: Contact,
    error: Option<ShopError>,
) -> impl IntoView {
    let about = |field: &str| {
        error
            .as_ref()
            .and_then(|error| error.about_field(field))
            .map(ToOwned::to_owned)
    };
    let notice = error.as_ref().map(|error| {
        let advice = advice(error);
        view! {
            <ErrorNotice title=error.to_string()>
                <p>{advice}" "<a href="/cart">"Go to your cart"</a></p>
            </ErrorNotice>
        }
    });
    // A new key each time the form is shown: it names this very press of the button, however often it is sent.
    let key = Uuid::now_v7().to_string();
    view! {
        <main class="page" id="main" tabindex="-1">
            <div class="page-head">
                <h1>"Checkout"</h1>
                <p class="page-head__lead">"You order as a guest. No account is needed."</p>
            </div>
            {notice}
            <form class="checkout" method="post" action="/api/form/checkout/place-order">
                <input type="hidden" name="idempotency_key" value=key/>
                <input type="hidden" name="cart_id" value=cart_id.to_string()/>
                <div class="split">
                    <div>
                        <fieldset class="panel">
                            <legend>"Who is it for?"</legend>
                            <div class="fields">
                                <Field name="name" label="Full name" kind=FieldKind::text("name") value=draft.name error=about("name")/>
                                <Field
                                    name="email"
                                    label="E-mail"
                                    kind=FieldKind { input: "email", autocomplete: "email", keyboard: "email" }
                                    value=draft.email
                                    error=about("email")
                                    hint="Limits for each customer count by it."
                                />
                            </div>
                        </fieldset>
                        <fieldset class="panel">
                            <legend>"Where does it go?"</legend>
                            <div class="fields">
                                <Field name="street" label="Street and number" kind=FieldKind::text("street-address") value=draft.street error=about("street")/>
                                <Field name="postal_code" label="Postal code" kind=FieldKind::text("postal-code") value=draft.postal_code error=about("postal_code") width="third"/>
                                <Field name="city" label="City" kind=FieldKind::text("address-level2") value=draft.city error=about("city") width="two-thirds"/>
                                <Field name="country" label="Country" kind=FieldKind::text("country-name") value=draft.country error=about("country")/>
                            </div>
                        </fieldset>
                    </div>
                    <Summary cart/>
                </div>
            </form>
        </main>
    }
}

#[component]
fn Summary(cart: Cart) -> impl IntoView {
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
    view! {
        <aside class="summary" aria-labelledby="sum-title">
            <h2 id="sum-title">"Your order"</h2>
            <ul class="summary__items">{items}</ul>
            <p class="summary__total"><span>"Total"</span>" "<span class="num">{cart.subtotal.to_string()}</span></p>
            <button class="btn btn--primary btn--big btn--block" type="submit">"Place order"</button>
            <p class="summary__fine">
                "Stock is checked and taken in the same moment. If it is gone, you are told at once and nothing is ordered. You pay on account."
            </p>
        </aside>
    }
}
