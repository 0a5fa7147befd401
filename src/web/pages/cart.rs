//! `/cart`: the shopper's cart.

use leptos::prelude::*;
use uuid::Uuid;

use super::{
    form_error::FormError,
    form_key::FormKey,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    price_notice::{PriceNotice, price_changes},
};
use crate::{
    islands::shop::{CartLineNote, CheckoutButton, HoldTimer, LiveStock},
    model::{CartLine, CartView as Cart, ReleasedLine, Reservation, quantity::QUANTITY_MAX},
    web::{assets, session::Notice},
};

/// `/cart`
#[component]
pub fn CartPage() -> impl IntoView {
    framed(|visit| async move {
        let cart_id = visit.cart_id().await?;
        let cart = visit.shop().carts().view(cart_id).await?;
        let notice = visit.take_notice().await?;
        let cart_id = cart_id.unwrap_or_default();
        let body = view! { <CartView cart_id cart notice/> };
        Ok(Page::private("Cart", Bundle::Shop, body))
    })
}

#[component]
fn CartView(cart_id: Uuid, cart: Cart, notice: Option<Notice>) -> impl IntoView {
    let content = if cart.lines.is_empty() {
        view! { <EmptyCart/> }.into_any()
    } else {
        view! { <FilledCart cart_id cart notice=notice.clone()/> }.into_any()
    };
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Cart"/>
            <FormError notice consequence="Your cart was not changed."/>
            {content}
        </main>
    }
}

#[component]
fn EmptyCart() -> impl IntoView {
    view! {
        <div class="empty">
            <svg class="empty__art" viewBox="0 0 176 132" aria-hidden="true" focusable="false">
                <rect class="gap" x="22" y="14" width="132" height="110"></rect>
                <rect class="slat" x="22" y="14" width="132" height="58"></rect>
                <path class="slat-line" d="M22 26h132M22 38h132M22 50h132M22 62h132" stroke-width="2"></path>
                <rect class="rail" x="22" y="70" width="132" height="7"></rect>
                <rect class="rail" x="80" y="77" width="16" height="5"></rect>
                <path
                    class="frame"
                    d="M12 124h152M22 124V14M154 124V14M16 14h144"
                    stroke-width="5"
                    fill="none"
                    stroke-linecap="round"
                ></path>
            </svg>
            <h2>"Your cart is empty"</h2>
            <p>"The shutter is still up. Find a doorbuster before it closes."</p>
            <a class="btn btn--primary btn--big" href="/">"Go to the shop"</a>
        </div>
    }
}

#[component]
fn FilledCart(cart_id: Uuid, cart: Cart, notice: Option<Notice>) -> impl IntoView {
    let ids: Vec<i64> = cart.lines.iter().map(|line| line.product.id).collect();
    let watched: Vec<(i64, i64, i64)> = cart
        .lines
        .iter()
        .map(|line| {
            (
                line.product.id,
                i64::from(line.quantity) - line.held,
                line.product.available,
            )
        })
        .collect();
    let changes = price_changes(&cart.lines);
    let units = cart.unit_count();
    let (reservation, released) = (cart.reservation, cart.released);
    let fine = if reservation.is_some() {
        "Changing the cart also changes your reservation."
    } else {
        "Items are reserved once you check out."
    };
    let subtotal = cart.subtotal.to_string();
    let lines = cart
        .lines
        .into_iter()
        .map(|line| {
            let typed = notice
                .as_ref()
                .and_then(|notice| notice.typed(&format!("quantity-{}", line.product.id)))
                .map(ToOwned::to_owned);
            view! { <Line line typed/> }
        })
        .collect_view();
    view! {
        <ReleasedNotice released/>
        <PriceNotice changes/>
        {reservation.map(|reservation| view! { <ReservationTimer reservation/> })}
        <LiveStock products=ids>
            <div class="split">
                <div>
                    <ul class="lines" aria-label="Items in your cart">{lines}</ul>
                </div>
                <aside class="summary" aria-labelledby="sum-title">
                    <h2 id="sum-title">"Subtotal"</h2>
                    <dl class="summary__rows"><dt>"Items"</dt><dd>{units}</dd></dl>
                    <p class="summary__total"><span>"Before shipping"</span>" "<span class="num">{subtotal}</span></p>
                    <form method="post" action="/api/form/checkout/enter">
                        <FormKey/>
                        <input type="hidden" name="cart_id" value=cart_id.to_string()/>
                        <CheckoutButton lines=watched/>
                    </form>
                    <p class="summary__fine">{fine}</p>
                </aside>
            </div>
        </LiveStock>
    }
}

/// Shows the reservation without buttons: the shopper can extend it at the checkout.
#[component]
fn ReservationTimer(reservation: Reservation) -> impl IntoView {
    let Reservation {
        ends_at,
        seconds_left,
        ttl_s,
        extended,
    } = reservation;
    view! { <HoldTimer seconds_left ttl_s ends_at extended buttons=false/> }
}

/// Lists the units that were released when the last reservation expired.
#[component]
fn ReleasedNotice(released: Vec<ReleasedLine>) -> impl IntoView {
    (!released.is_empty()).then(|| {
        let lines = released
            .into_iter()
            .map(|line| view! { <li>{line.in_words()}</li> })
            .collect_view();
        view! {
            <div class="notice notice--warn" role="status">
                <p class="notice__title">"Your reservation has expired"</p>
                <p>"These items returned to stock. Your cart is unchanged. Reserve again while stock lasts:"</p>
                <ul>{lines}</ul>
            </div>
        }
    })
}

#[component]
fn Line(line: CartLine, typed: Option<String>) -> impl IntoView {
    let class = if line.is_covered() {
        "line"
    } else {
        "line line--problem"
    };
    let CartLine {
        product,
        quantity,
        amount,
        held,
        ..
    } = line;
    let id = product.id;
    let input_id = format!("qty-{id}");
    let value = typed.unwrap_or_else(|| quantity.to_string());
    view! {
        <li class=class>
            <div class="line__art"><img src=assets::href(&product.artwork) alt="" width="400" height="300"/></div>
            <div class="line__main">
                <h2 class="line__name"><a href=format!("/products/{}", product.slug)>{product.name.clone()}</a></h2>
                <p class="line__unit">{format!("{} each", product.price)}</p>
                <CartLineNote product_id=id quantity=quantity.into() available=product.available held/>
            </div>
            <div class="line__controls">
                <form class="line__qty" method="post" action="/api/form/cart/set">
                    <FormKey/>
                    <input type="hidden" name="product_id" value=id/>
                    <label class="vh" for=input_id.clone()>{format!("Quantity of {}", product.name)}</label>
                    <input
                        class="field__input"
                        id=input_id
                        name="quantity"
                        type="number"
                        inputmode="numeric"
                        min="1"
                        max=QUANTITY_MAX
                        value=value
                        required
                        aria-describedby=format!("msg-{id}")
                    />
                    <button class="btn" type="submit">"Update"<span class="vh">{format!(" {}", product.name)}</span></button>
                </form>
                <form class="line__remove" method="post" action="/api/form/cart/remove">
                    <FormKey/>
                    <input type="hidden" name="product_id" value=id/>
                    <button class="btn btn--text" type="submit">"Remove"<span class="vh">{format!(" {}", product.name)}</span></button>
                </form>
                <p class="line__sum"><span class="vh">"Line total "</span>{amount.to_string()}</p>
            </div>
        </li>
    }
}
