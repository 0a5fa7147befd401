//! `/cart`: the shopper's cart.

use leptos::prelude::*;
use uuid::Uuid;

use super::{
    form_error::FormError,
    form_key::FormKey,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    price_notice::{PriceNotice, price_changes},
    refresh_time::seconds_until_change,
};
use crate::{
    islands::shop::{CartLineNote, CheckoutButton, HoldTimer, LiveSales, QuantityStepper, note_id},
    model::{
        CartLine, CartUnits, CartView as Cart, LineProblem, LiveSale, ReleasedLine, Reservation,
        cart::BUY_NOW_CHECKOUT,
    },
    shop::cart_pair::other_cart,
    ui::sale_line::BOUND_SHOWN_BELOW,
    web::{addresses, assets, session::Notice},
};

/// `/cart`
#[component]
pub fn CartPage() -> impl IntoView {
    framed(|visit| async move {
        let cart_id = visit.cart_id().await?;
        let carts = visit.shop().carts();
        let cart = carts.view(cart_id).await?;
        let buying_alone = carts.unit_count(cart_id.map(other_cart)).await?;
        let notice = visit.take_notice().await?;
        let cart_id = cart_id.unwrap_or_default();
        let plans = cart.lines.iter().map(|line| line.product.plan);
        let refresh_s = seconds_until_change(plans, read_at_ms(&cart));
        let body = view! { <CartView cart_id cart notice buying_alone/> };
        let page = Page::private("Cart", Bundle::Shop, body);
        Ok(match refresh_s {
            Some(seconds) => page.refreshed_after(seconds),
            None => page,
        })
    })
}

/// Returns the time at which the lines were read.
fn read_at_ms(cart: &Cart) -> i64 {
    cart.lines.first().map_or(0, |line| line.product.read_at_ms)
}

#[component]
fn CartView(
    cart_id: Uuid,
    cart: Cart,
    notice: Option<Notice>,
    /// Units in the cart of *Buy now*.
    buying_alone: u32,
) -> impl IntoView {
    let other = (buying_alone > 0).then(|| {
        view! {
            <p class="checkout__other">
                <a href=BUY_NOW_CHECKOUT>"Go to your Buy now checkout"</a>
            </p>
        }
    });
    let content = if cart.lines.is_empty() {
        view! { <EmptyCart/> }.into_any()
    } else {
        view! { <FilledCart cart_id cart notice=notice.clone()/> }.into_any()
    };
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Cart"/>
            <FormError notice consequence="Your cart was not changed."/>
            {other}
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

/// `public/cart.js` replaces the elements with `data-part` by those of the page as it is then, when
/// the sale of a line has changed.
#[component]
fn FilledCart(cart_id: Uuid, cart: Cart, notice: Option<Notice>) -> impl IntoView {
    let ids: Vec<i64> = cart.lines.iter().map(|line| line.product.id).collect();
    let watched: Vec<(i64, i64, i64)> = cart
        .lines_on_sale()
        .map(|line| {
            (
                line.product.id,
                i64::from(line.quantity) - line.held,
                line.product.available,
            )
        })
        .collect();
    let now_ms = read_at_ms(&cart);
    let changes = price_changes(&cart.lines);
    let units = cart.unit_count();
    let checkout = checkout_button(&cart, watched);
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
        <div data-part="notices">
            <ReleasedNotice released/>
            <PriceNotice changes/>
            {reservation.map(|reservation| view! { <ReservationTimer reservation/> })}
        </div>
        <LiveSales products=ids now_ms>
            <div class="split">
                <div>
                    <ul class="lines" aria-label="Items in your cart" data-part="lines">{lines}</ul>
                </div>
                <aside class="summary" aria-labelledby="sum-title">
                    <div class="summary__parts" data-part="summary">
                        <h2 id="sum-title">"Order summary"</h2>
                        <dl class="summary__rows">
                            <dt>"Items"</dt><dd>{units}</dd>
                            <dt>"Shipping"</dt><dd>"Added at checkout"</dd>
                        </dl>
                        <p class="summary__total"><span>"Subtotal"</span>" "<span class="num">{subtotal}</span></p>
                        <form method="post" action="/api/form/checkout/enter">
                            <FormKey/>
                            <input type="hidden" name="cart_id" value=cart_id.to_string()/>
                            {checkout}
                        </form>
                        <p class="summary__fine">{fine}</p>
                    </div>
                    // A screen reader announces only what changes in an element that it knows.
                    <p class="summary__news" role="status"></p>
                </aside>
            </div>
        </LiveSales>
        <script defer src=assets::href("cart.js")></script>
    }
}

/// Returns the checkout button. It follows the stock, unless something else is in the way.
fn checkout_button(cart: &Cart, watched: Vec<(i64, i64, i64)>) -> AnyView {
    let is_blocked = cart.lines_on_sale().next().is_none()
        || cart
            .lines_on_sale()
            .any(|line| matches!(line.problem(), Some(LineProblem::OverLimit { .. })));
    if is_blocked {
        let text = "Change the marked items to continue.";
        view! {
            <button class="btn btn--primary btn--big btn--block" type="submit" disabled aria-describedby="blocked">"Checkout"</button>
            <p class="quiet" id="blocked" role="status">{text}</p>
        }
        .into_any()
    } else {
        view! { <CheckoutButton lines=watched/> }.into_any()
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
        let next = match released.iter().all(|line| line.sale_ended) {
            true => "These items returned to stock, because their sale has ended. Your cart is unchanged:",
            false => "These items returned to stock. Your cart is unchanged. Reserve again while stock lasts:",
        };
        let lines = released
            .into_iter()
            .map(|line| view! { <li>{line.in_words()}</li> })
            .collect_view();
        view! {
            <div class="notice notice--warn" role="status">
                <p class="notice__title">"Your reservation has expired"</p>
                <p>{next}</p>
                <ul>{lines}</ul>
            </div>
        }
    })
}

/// Says why the shopper cannot have more units of a line than `most`.
fn bound_text(line: &CartLine) -> Option<String> {
    let most = line.most();
    match line.product.per_customer_limit {
        Some(limit) if limit == most => Some(format!("{limit} is the limit per customer.")),
        _ if most < BOUND_SHOWN_BELOW && most > line.quantity.get() => {
            let more = most - line.quantity.get();
            Some(format!("You can add {more} more."))
        }
        _ if most == line.quantity.get() => Some("No more are available.".to_owned()),
        _ => None,
    }
}

#[component]
fn Line(line: CartLine, typed: Option<String>) -> impl IntoView {
    let is_on_sale = line.is_on_sale();
    let note = bound_text(&line);
    let most = line.most();
    let CartUnits { in_cart, held } = line.units();
    let CartLine {
        product,
        quantity,
        amount,
        ..
    } = line;
    let id = product.id;
    let (sale, now_ms) = (LiveSale::of(&product), product.read_at_ms);
    let value = typed.unwrap_or_else(|| quantity.to_string());
    let field = format!("qty-{id}");
    let note = note
        .map(|note| view! { <p class="quantity__note" id=note_id(&field)>{note}</p> }.into_any());
    let quantity_form = is_on_sale.then(|| {
        view! {
            <form class="line__qty" method="post" action="/api/form/cart/set" data-posts-change="">
                <FormKey/>
                <input type="hidden" name="product_id" value=id/>
                <label class="vh" for=field.clone()>{format!("Quantity of {}", product.name)}</label>
                <QuantityStepper id=field name="quantity".to_owned() value most note/>
                <button class="btn line__update" type="submit">"Update"<span class="vh">{format!(" {}", product.name)}</span></button>
            </form>
        }
    });
    view! {
        <li class="line" data-product=id>
            <div class="line__art"><img src=assets::href(&product.artwork) alt="" width="400" height="300"/></div>
            <div class="line__main">
                <h2 class="line__name" dir="auto"><a href=addresses::product(&product.slug)>{product.name.clone()}</a></h2>
                <p class="line__unit">{format!("{} each", product.price)}</p>
                <CartLineNote sale now_ms in_cart held/>
            </div>
            <div class="line__controls">
                {quantity_form}
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
