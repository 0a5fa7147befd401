//! The card of a product, in lists of products.

use leptos::prelude::*;

use crate::{
    model::Product,
    ui::stock_line::StockBadge,
    web::{addresses, assets},
};

/// A product in a list of products.
#[component]
pub fn Card(product: Product) -> impl IntoView {
    let class = if product.is_sold_out() {
        "card card--out"
    } else {
        "card"
    };
    view! {
        <article class=class>
            <div class="card__art">
                <img src=assets::href(&product.artwork) alt="" width="400" height="300" loading="lazy"/>
            </div>
            <div class="card__body">
                <h3 class="card__name"><a href=addresses::product(&product.slug) dir="auto">{product.name.clone()}</a></h3>
                <StockBadge available=product.available/>
            </div>
            <p class="card__stub">
                <span class="card__price">{product.price.to_string()}</span>" "
                <span class="card__no" aria-hidden="true">{format!("No. {:02}", product.id)}</span>
            </p>
        </article>
    }
}
