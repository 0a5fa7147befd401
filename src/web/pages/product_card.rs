//! The card of a product, in lists of products.

use leptos::prelude::*;

use crate::{
    islands::shop::{CardState, SalePrice},
    model::{LiveSale, Product},
    web::{addresses, assets},
};

/// A product in a list of products, with its price and the state of its sale. Inside of
/// `LiveSales`, both follow the sale; elsewhere they stay as they are rendered.
#[component]
pub fn Card(product: Product) -> impl IntoView {
    let sale = LiveSale::of(&product);
    let now_ms = product.read_at_ms;
    view! {
        <article class="card">
            <div class="card__art">
                <img src=assets::href(&product.artwork) alt="" width="400" height="300" loading="lazy"/>
            </div>
            <div class="card__body">
                <h3 class="card__name"><a href=addresses::product(&product.slug) dir="auto">{product.name.clone()}</a></h3>
                <CardState sale=sale.clone() now_ms/>
            </div>
            <p class="card__stub">
                <SalePrice sale now_ms on_card=true/>
                " "
                <span class="card__no" aria-hidden="true">{format!("No. {:02}", product.id)}</span>
            </p>
        </article>
    }
}
