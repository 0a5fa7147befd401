//! `/`: the catalogue.

use leptos::prelude::*;

use super::{
    category_nav::CategoryNav,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    product_card::Card,
};
use crate::{
    model::Product,
    ui::stock_line::{format_available, roll_class},
    web::assets,
};

/// The product that the catalogue features.
const HERO_PRODUCT_ID: i64 = 1;

/// `/`
#[component]
pub fn HomePage() -> impl IntoView {
    framed(|visit| async move {
        let products = visit.catalog().products().await?;
        let categories = visit.catalog().categories().await?;
        let body = view! { <HomeView categories products/> };
        Ok(Page::public("Today’s doorbusters", Bundle::None, body))
    })
}

#[component]
fn HomeView(categories: Vec<String>, products: Vec<Product>) -> impl IntoView {
    let (hero, others): (Vec<Product>, Vec<Product>) = products
        .into_iter()
        .partition(|product| product.id == HERO_PRODUCT_ID);
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Today’s doorbusters" lead="Limited stock, fixed prices, live counts."/>
            <CategoryNav categories current="/"/>
            {hero.into_iter().next().map(|product| view! { <Hero product/> })}
            <section aria-labelledby="all">
                <h2 class="section-title" id="all">"Products"</h2>
                <ul class="grid">
                    {others.into_iter().map(|product| view! { <li><Card product/></li> }).collect_view()}
                </ul>
            </section>
        </main>
    }
}

#[component]
fn Hero(product: Product) -> impl IntoView {
    let href = format!("/products/{}", product.slug);
    let copy = format!(
        "{} units, {} numbered tickets. When they’re gone, we tell you at once.",
        product.total, product.total
    );
    view! {
        <section class="hero" aria-labelledby="hero-name">
            <div class="hero__text">
                <p class="hero__eyebrow">{if product.is_sold_out() { "Sold out" } else { "On sale now" }}</p>
                <h2 class="hero__name" id="hero-name"><a href=href.clone() dir="auto">{product.name.clone()}</a></h2>
                <p class="hero__copy">{copy}</p>
                <div class="hero__stock">
                    <p id="hero-stock">{format_available(product.available, product.total)}</p>
                    <progress
                        class=roll_class(product.available)
                        max=product.total.max(1)
                        value=product.available.max(0)
                        aria-labelledby="hero-stock"
                    ></progress>
                </div>
                <div class="hero__buy">
                    <span class="ticket ticket--big">{product.price.to_string()}</span>
                    <a class="btn btn--primary btn--big" href=href>"View product"</a>
                </div>
            </div>
            <div class="hero__art"><img src=assets::href(&product.artwork) alt="" width="800" height="600"/></div>
        </section>
    }
}
