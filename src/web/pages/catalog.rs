//! `/`: the catalogue, or one category of it.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{
    frame::{Bundle, Page, framed},
    page_head::PageHead,
};
use crate::{
    model::Product,
    ui::stock_line::{StockBadge, format_available, roll_class},
    web::assets,
};

/// The product that the catalogue features.
const HERO_PRODUCT_ID: i64 = 1;

/// `/?category=…`
#[component]
pub fn CatalogPage() -> impl IntoView {
    let category = use_query_map().get_untracked().get("category");
    framed(|visit| async move {
        let mut products = visit.catalog().products().await?;
        let categories = categories(&products);
        let category = category.filter(|category| categories.contains(category));
        products.retain(|product| category.as_ref().is_none_or(|c| *c == product.category));
        let title = category
            .clone()
            .unwrap_or_else(|| "Today’s doorbusters".to_owned());
        let body = view! { <CatalogView categories category products/> };
        Ok(Page::public(title, Bundle::None, body))
    })
}

/// Returns the categories, in the order of their first product.
fn categories(products: &[Product]) -> Vec<String> {
    let mut categories: Vec<String> = Vec::new();
    for product in products {
        if !categories.contains(&product.category) {
            categories.push(product.category.clone());
        }
    }
    categories
}

#[component]
fn CatalogView(
    categories: Vec<String>,
    category: Option<String>,
    products: Vec<Product>,
) -> impl IntoView {
    let current = |name: Option<&str>| (category.as_deref() == name).then_some("true");
    let hero = products
        .iter()
        .find(|product| category.is_none() && product.id == HERO_PRODUCT_ID)
        .cloned();
    let others: Vec<Product> = products
        .into_iter()
        .filter(|product| hero.as_ref().is_none_or(|hero| hero.id != product.id))
        .collect();
    let filters = categories
        .iter()
        .map(|name| {
            let query: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
            view! {
                <li><a href=format!("/?category={query}") aria-current=current(Some(name))>{name.clone()}</a></li>
            }
        })
        .collect_view();
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead
                title=category.clone().unwrap_or_else(|| "Today’s doorbusters".to_owned())
                lead="Limited stock, fixed prices, live counts."
            />
            <nav class="filter" aria-label="Categories">
                <ul>
                    <li><a href="/" aria-current=current(None)>"Everything"</a></li>
                    {filters}
                </ul>
            </nav>
            {hero.map(|product| view! { <Hero product/> })}
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
                <h2 class="hero__name" id="hero-name"><a href=href.clone()>{product.name.clone()}</a></h2>
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

#[component]
fn Card(product: Product) -> impl IntoView {
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
                <h3 class="card__name"><a href=format!("/products/{}", product.slug)>{product.name.clone()}</a></h3>
                <StockBadge available=product.available/>
            </div>
            <p class="card__stub">
                <span class="card__price">{product.price.to_string()}</span>" "
                <span class="card__no" aria-hidden="true">{format!("No. {:02}", product.id)}</span>
            </p>
        </article>
    }
}
