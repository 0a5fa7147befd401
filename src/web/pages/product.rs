//! `/products/{slug}`: a product, with the buttons to add it to the cart and to buy it now.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::{
    form_error::FormError,
    form_key::FormKey,
    frame::{Bundle, Page, framed},
    refill,
};
use crate::{
    islands::shop::{BuyButtons, LiveStock, StockLine},
    model::{Product, SaleState, quantity::QUANTITY_MAX},
    shop::moment,
    web::{assets, session::Notice},
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
        let title = product.name.clone();
        let body = view! { <ProductView product notice/> };
        Ok(Page::public(title, Bundle::Shop, body))
    })
}

#[component]
fn ProductView(product: Product, notice: Option<Notice>) -> impl IntoView {
    let category: String =
        url::form_urlencoded::byte_serialize(product.category.as_bytes()).collect();
    let typed = refill::typed(notice.as_ref(), "quantity", "1");
    view! {
        <main class="page" id="main" tabindex="-1">
            <nav class="crumbs" aria-label="Breadcrumb">
                <ol>
                    <li><a href="/">"Shop"</a></li>
                    <li><a href=format!("/?category={category}")>{product.category.clone()}</a></li>
                    <li aria-current="page">{product.name.clone()}</li>
                </ol>
            </nav>
            <FormError notice consequence="Nothing was added to your cart."/>
            <article class="product">
                <div class="product__art">
                    <img src=assets::href(&product.artwork) alt="" width="800" height="600"/>
                </div>
                <div class="product__info">
                    <h1>{product.name.clone()}</h1>
                    <p class="ticket ticket--big"><span class="vh">"Price "</span>{product.price.to_string()}</p>
                    <p class="product__desc">{product.description.clone()}</p>
                    <section class="buybox" aria-label="Buy">
                        <LiveStock products=vec![product.id]>
                            <BuyBox product typed/>
                        </LiveStock>
                    </section>
                </div>
            </article>
        </main>
    }
}

#[component]
fn BuyBox(product: Product, typed: String) -> impl IntoView {
    let Product {
        id,
        available,
        total,
        ..
    } = product;
    let closed = match (product.state(), product.plan.starts_at_ms) {
        (SaleState::Announced, Some(start)) => {
            let opens_at = moment::in_utc(moment::from_ms(start));
            Some(format!("On sale from {opens_at}."))
        }
        (SaleState::Ended, _) => Some("This sale has ended.".to_owned()),
        _ => None,
    };
    let limit = product
        .per_customer_limit
        .map(|limit| format!("Limit: {limit} per customer."));
    let most = product
        .per_customer_limit
        .unwrap_or(QUANTITY_MAX)
        .min(QUANTITY_MAX);
    let form = match closed {
        Some(why) => view! {
            <div class="buybox__form">
                <button class="btn btn--big btn--block" type="button" disabled aria-describedby="why">"Add to cart"</button>
                <p class="buybox__note" id="why">{why}</p>
            </div>
        }
        .into_any(),
        None => view! {
            <form class="buybox__form" method="post" action="/api/form/cart/add">
                <FormKey/>
                <input type="hidden" name="product_id" value=id/>
                <div class="buybox__qty">
                    <label class="field__label" for="quantity">"Quantity"</label>
                    <input
                        class="field__input"
                        id="quantity"
                        name="quantity"
                        type="number"
                        inputmode="numeric"
                        min="1"
                        max=most
                        value=typed
                        required
                    />
                </div>
                <BuyButtons product_id=id available/>
                {limit.map(|limit| view! { <p class="buybox__note">{limit}</p> })}
            </form>
        }
        .into_any(),
    };
    view! {
        <div class="buybox__stock"><StockLine product_id=id available total/></div>
        {form}
    }
}
