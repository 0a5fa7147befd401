//! `/products/{slug}`: a product and its sale, with the buttons to buy it now and to add it to the
//! cart.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{
    form_error::FormError,
    form_key::FormKey,
    frame::{Bundle, Page, framed},
    product_metadata, refill,
    refresh_time::seconds_until_change,
};
use crate::{
    islands::shop::{
        BuyButtons, LiveSales, QUANTITY_FIELD, QuantityNote, QuantityStepper, SaleAnnouncement,
        SalePrice, SaleShutter, StockLine,
    },
    model::{CartUnits, LiveSale, Product},
    ui::sale_line::quantity_bound,
    web::{addresses, assets, session::Notice},
};

/// `/products/{slug}`
#[component]
pub fn ProductPage() -> impl IntoView {
    let slug = use_params_map()
        .get_untracked()
        .get("slug")
        .unwrap_or_default();
    framed(|visit| async move {
        let product = visit.catalog().product_by_slug(&slug).await?;
        let notice = visit.take_notice().await?;
        let cart_id = visit.cart_id().await?;
        let own = visit.shop().carts().units_of(cart_id, product.id).await?;
        let title = product.name.clone();
        let metadata = product_metadata::of_product(&product, visit.public_url());
        let refresh_s = seconds_until_change([product.plan], product.read_at_ms);
        let body = view! { <ProductView product notice own/> };
        let page = Page::public(title, Bundle::Shop, body).with_metadata(metadata);
        Ok(match refresh_s {
            Some(seconds) => page.refreshed_after(seconds),
            None => page,
        })
    })
}

#[component]
fn ProductView(product: Product, notice: Option<Notice>, own: CartUnits) -> impl IntoView {
    let typed = refill::typed(notice.as_ref(), "quantity", "1");
    let sale = LiveSale::of(&product);
    let now_ms = product.read_at_ms;
    let calendar = format!("{}/sale.ics", addresses::product(&product.slug));
    view! {
        <main class="page" id="main" tabindex="-1">
            <nav class="crumbs" aria-label="Breadcrumb">
                <ol>
                    <li><a href="/">"Shop"</a></li>
                    <li><a href=addresses::category(&product.category) dir="auto">{product.category.clone()}</a></li>
                    <li aria-current="page" dir="auto">{product.name.clone()}</li>
                </ol>
            </nav>
            <FormError notice consequence="Nothing was added to your cart."/>
            <LiveSales products=vec![product.id] now_ms>
                <article class="product">
                    <div class="product__art">
                        <img src=assets::href(&product.artwork) alt="" width="800" height="600"/>
                        <SaleShutter sale=sale.clone() now_ms calendar/>
                    </div>
                    <div class="product__info">
                        <h1 dir="auto">{product.name.clone()}</h1>
                        <p class="price"><SalePrice sale=sale.clone() now_ms on_card=false/></p>
                        <p class="product__desc" dir="auto">{product.description.clone()}</p>
                        <section class="buybox" aria-label="Buy">
                            <BuyBox sale=sale.clone() now_ms own typed/>
                        </section>
                        <SaleAnnouncement sale now_ms/>
                    </div>
                </article>
            </LiveSales>
        </main>
    }
}

/// The stock and the form to buy. The form is complete before the sale opens, so that its buttons
/// work as soon as the browser enables them.
///
/// `autocomplete` is off because Firefox would otherwise restore, after a reload, that the buttons
/// were disabled.
#[component]
fn BuyBox(sale: LiveSale, now_ms: i64, own: CartUnits, typed: String) -> impl IntoView {
    let most = quantity_bound(sale.state_at(now_ms), sale.room_beside(own));
    let CartUnits { in_cart, held } = own;
    let note = view! { <QuantityNote sale=sale.clone() now_ms in_cart held/> }.into_any();
    view! {
        <div class="buybox__stock"><StockLine sale=sale.clone() now_ms/></div>
        <form class="buybox__form" method="post" action="/api/form/cart/add" autocomplete="off">
            <FormKey/>
            <input type="hidden" name="product_id" value=sale.product_id/>
            <div class="buybox__qty">
                <label class="field__label" for=QUANTITY_FIELD>"Quantity"</label>
                <QuantityStepper
                    id=QUANTITY_FIELD.to_owned()
                    name="quantity".to_owned()
                    value=typed
                    most
                    note=Some(note)
                />
            </div>
            <BuyButtons sale now_ms/>
        </form>
    }
}
