//! The card of a product, in lists of products.

use leptos::prelude::*;

use crate::{
    islands::shop::CardState,
    model::{LiveSale, Product},
    web::{addresses, assets},
};

/// A product in a list of products, with the state of its sale. Inside of `LiveSales`, the state
/// follows the sale; elsewhere it stays as it is rendered.
#[component]
pub fn Card(product: Product) -> impl IntoView {
    let sale = LiveSale::of(&product);
    let compare_at = product.compare_at.map(|price| {
        view! { <s class="card__was"><span class="vh">"Was "</span>{price.to_string()}</s>" " }
    });
    view! {
        <article class="card">
            <div class="card__art">
                <img src=assets::href(&product.artwork) alt="" width="400" height="300" loading="lazy"/>
            </div>
            <div class="card__body">
                <h3 class="card__name"><a href=addresses::product(&product.slug) dir="auto">{product.name.clone()}</a></h3>
                <CardState sale now_ms=product.read_at_ms/>
            </div>
            <p class="card__stub">
                <span class="card__price">{product.price.to_string()}</span>" "
                {compare_at}
                <span class="card__no" aria-hidden="true">{format!("No. {:02}", product.id)}</span>
            </p>
        </article>
    }
}
