//! `/checkout` and `/checkout/now`: contact, delivery, payment and the reservation of the cart, or
//! of *Buy now*. All buttons belong to one form and save the values that were typed.
//!
//! `public/checkout.js` sends the form without a page load. It takes the elements with `data-part`,
//! the hidden fields and the errors of fields from the page that the shop answers with, and leaves
//! everything that was typed alone.

mod fields;
mod problem;
mod reservation;
mod summary;

use leptos::prelude::*;
use uuid::Uuid;

use self::{
    fields::{CardFields, CodeField, ContactFields, DeliveryFields},
    problem::Problem,
    reservation::ReservationPanel,
    summary::Summary,
};
use super::{
    form_key::FormKey,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    price_notice::{PriceNotice, price_changes},
};
use crate::{
    model::{
        CartView, CheckoutView as Checkout, Contact, ShopError,
        cart::{BUY_NOW_CHECKOUT, CHECKOUT},
    },
    shop::{cart::CheckoutDraft, cart_pair::other_cart},
    ui::notice::ErrorNotice,
    web::{
        assets,
        session::{Notice, Visit},
    },
};

/// What the shopper buys on this page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Buying {
    Cart,
    /// One product alone.
    Now,
}

/// `/checkout` and `/checkout/now`
#[component]
pub fn CheckoutPage() -> impl IntoView {
    framed(|visit| async move {
        let notice = visit.take_notice().await?;
        let body = match checkout_of(&visit).await? {
            Some(Loaded {
                buying,
                cart_id,
                cart,
                other_units,
            }) => {
                let carts = visit.shop().carts();
                let mut draft = carts.draft_with_contact(cart_id).await?;
                if draft.contact == Contact::default() {
                    let kept = kept_draft(&visit).await;
                    draft.contact = kept.contact;
                    if draft.code.is_empty() {
                        draft.code = kept.code;
                    }
                }
                let checkout = carts.checkout_view(cart, &draft.code).await?;
                view! { <CheckoutView buying cart_id checkout draft notice other_units/> }
                    .into_any()
            }
            None => {
                let has_draft = visit.kept_draft().is_some();
                let error = notice.map(|notice| notice.error);
                let is_empty = units_left(&visit).await? == 0;
                view! { <EmptyCheckout error has_draft is_empty/> }.into_any()
            }
        };
        Ok(Page::private("Checkout", Bundle::Shop, body))
    })
}

/// Returns what was typed before the last session ended.
///
/// The page shows whether a code is valid, and a visitor can write the cookie: a code that does not
/// exist counts as a guess, once.
async fn kept_draft(visit: &Visit) -> CheckoutDraft {
    let Some(mut kept) = visit.kept_draft() else {
        return CheckoutDraft::default();
    };
    if !kept.code.is_empty() {
        let exists = visit.shop().discounts().check_exists(&kept.code);
        if visit.limit_wrong_guesses(exists).await.is_err() {
            kept.code.clear();
            visit.keep_draft(&kept);
        }
    }
    kept
}

/// The cart that the page shows.
struct Loaded {
    buying: Buying,
    cart_id: Uuid,
    cart: CartView,
    /// Units in the shopper's other cart.
    other_units: u32,
}

/// Reads the cart that the address names. If nothing of it can be ordered, the other one is shown:
/// the link on the page of a declined order leads to `/checkout`.
async fn checkout_of(visit: &Visit) -> Result<Option<Loaded>, ShopError> {
    let Some(main) = visit.cart_id().await? else {
        return Ok(None);
    };
    let carts = visit.shop().carts();
    let cart = (Buying::Cart, main);
    let now = (Buying::Now, other_cart(main));
    let order = match visit.path() {
        BUY_NOW_CHECKOUT => [now, cart],
        _ => [cart, now],
    };
    for (buying, cart_id) in order {
        let cart = carts.view(Some(cart_id)).await?;
        if cart.lines_on_sale().next().is_some() {
            return Ok(Some(Loaded {
                buying,
                cart_id,
                cart,
                other_units: carts.unit_count(Some(other_cart(cart_id))).await?,
            }));
        }
    }
    Ok(None)
}

/// Returns the units in both carts, on sale or not.
async fn units_left(visit: &Visit) -> Result<u32, ShopError> {
    let Some(main) = visit.cart_id().await? else {
        return Ok(0);
    };
    let carts = visit.shop().carts();
    let of_main = carts.unit_count(Some(main)).await?;
    let of_other = carts.unit_count(Some(other_cart(main))).await?;
    Ok(of_main.saturating_add(of_other))
}

#[component]
fn EmptyCheckout(
    error: Option<ShopError>,
    /// True if the browser keeps what was typed into a form whose session has ended.
    has_draft: bool,
    /// False if the cart has items, none of which is on sale now.
    is_empty: bool,
) -> impl IntoView {
    let lead = match is_empty {
        true => "Your cart is empty. Add a product to check out.",
        false => "Nothing in your cart is on sale now. Add another product to check out.",
    };
    let kept = has_draft.then_some(
        "Add your items to the cart again. What you typed is kept in this browser for an hour, your card is not.",
    );
    let problem = error.map(|error| {
        view! { <ErrorNotice title=error.on_page()><p>{kept}</p></ErrorNotice> }
    });
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Checkout" lead/>
            {problem}
            <p>
                <a class="btn btn--primary btn--big" href="/">"Go to the shop"</a>
                " "
                <a class="btn btn--text" href="/cart">"Go to your cart"</a>
            </p>
        </main>
    }
}

#[component]
fn CheckoutView(
    buying: Buying,
    cart_id: Uuid,
    checkout: Checkout,
    draft: CheckoutDraft,
    notice: Option<Notice>,
    other_units: u32,
) -> impl IntoView {
    // The error of a code that the shopper applied appears next to its field.
    let shown_at_code = notice.as_ref().is_some_and(|notice| {
        notice.typed("act") == Some("apply-code") && notice.error.is_rejection()
    }) && checkout.code.as_ref().is_some_and(|code| !code.counts);
    let error = notice.map(|notice| notice.error);
    let is_reserved = checkout.cart.reservation.is_some();
    let problem = error
        .clone()
        .filter(|_| !shown_at_code)
        .map(|error| view! { <Problem error buying is_reserved/> });
    let was_rejected = error.is_some();
    let reservation = checkout.cart.reservation.clone();
    let released = checkout.cart.released.clone();
    let applied = checkout.code.clone();
    let changes = price_changes(&checkout.cart.lines);
    let lead = match buying {
        Buying::Cart => "Check out as a guest. No account needed.",
        Buying::Now => "You are buying only this product. No account needed.",
    };
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Checkout" lead/>
            <OtherCart buying units=other_units/>
            <form class="checkout" method="post" action="/api/form/checkout/pay">
                <div data-part="problem" tabindex="-1">{problem}</div>
                <div data-part="prices"><PriceNotice changes/></div>
                <FormKey/>
                <input type="hidden" name="cart_id" value=cart_id.to_string()/>
                // The shop rejects the order if the total or the items have changed since this page
                // was shown.
                <input type="hidden" name="expected_total_cents" value=checkout.bill.total.cents/>
                <input type="hidden" name="expected_items" value=checkout.cart.items()/>
                // The Enter key presses the first button of a form.
                <button class="vh" type="submit" tabindex="-1" aria-hidden="true">"Pay"</button>
                <div class="checkout__hold" data-part="reservation"><ReservationPanel reservation released/></div>
                <div class="split">
                    <div>
                        <ContactFields draft=draft.clone() error=error.clone()/>
                        <DeliveryFields draft=draft.clone() error=error.clone()/>
                        <CodeField code=draft.code applied/>
                        <CardFields error was_rejected/>
                    </div>
                    <Summary checkout/>
                </div>
            </form>
            <script defer src=assets::href("checkout.js")></script>
        </main>
    }
}

/// Says that the shopper's other cart waits for them.
#[component]
fn OtherCart(buying: Buying, units: u32) -> impl IntoView {
    (units > 0).then(|| {
        let (href, text) = match buying {
            Buying::Cart => (BUY_NOW_CHECKOUT, "Go to your Buy now checkout"),
            Buying::Now => (CHECKOUT, "Your cart is unchanged. Go to its checkout"),
        };
        view! { <p class="checkout__other"><a href=href>{text}</a></p> }
    })
}
