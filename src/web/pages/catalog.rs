//! Lists of products: `/categories/{slug}` and `/search`, in an order that the visitor chooses.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use serde_json::Value;
use url::form_urlencoded;

use super::{
    category_nav::CategoryNav,
    document_head::Metadata,
    frame::{Bundle, Page, framed},
    product_card::Card,
    product_metadata::breadcrumbs,
    query::parameter,
};
use crate::{
    model::{
        Product, ShopError,
        product_query::{ProductQuery, ProductSort, SearchText, category_slug},
    },
    shop::catalog::PRODUCTS_MAX,
    web::addresses,
};

/// `/categories/{slug}?sort=…`
#[component]
pub fn CategoryPage() -> impl IntoView {
    let slug = use_params_map()
        .get_untracked()
        .get("slug")
        .unwrap_or_default()
        .to_lowercase();
    let sort = ProductSort::parse(&parameter("sort"));
    framed(move |visit| async move {
        let categories = visit.catalog().categories().await?;
        let chosen: Vec<String> = categories
            .iter()
            .filter(|name| category_slug(name) == slug)
            .cloned()
            .collect();
        let Some(title) = chosen.first().cloned() else {
            return Err(ShopError::UnknownPage);
        };
        let query = ProductQuery {
            categories: chosen,
            words: Vec::new(),
            sort,
        };
        let products = visit.catalog().find(&query).await?;
        let address = addresses::category(&title);
        let metadata = category_metadata(&title, &address, visit.public_url());
        let body = view! {
            <ListView
                title=title.clone()
                notes=Vec::new()
                categories
                products
                sort
                address
                parameters=Vec::new()
            />
        };
        Ok(Page::public(title, Bundle::None, body).with_metadata(metadata))
    })
}

fn category_metadata(title: &str, address: &str, public_url: &str) -> Metadata {
    let trail: [(&str, &str); 2] = [("Shop", "/"), (title, address)];
    let json_ld: Vec<Value> = vec![breadcrumbs(&trail, public_url)];
    Metadata {
        description: format!("{title} at Doorbuster: limited stock, fixed prices, live counts."),
        canonical_path: Some(address.to_owned()),
        is_product: false,
        json_ld,
    }
}

/// `/search?q=…&sort=…`; without words, all products.
#[component]
pub fn SearchPage() -> impl IntoView {
    let text = SearchText::parse(&parameter("q"));
    let sort = ProductSort::parse(&parameter("sort"));
    framed(move |visit| async move {
        let categories = visit.catalog().categories().await?;
        let query = ProductQuery {
            categories: Vec::new(),
            words: text.words.clone(),
            sort,
        };
        let products = visit.catalog().find(&query).await?;
        let title = match text.words.is_empty() {
            true => "All products".to_owned(),
            false => format!("Results for “{}”", text.shown),
        };
        let mut notes = Vec::new();
        if text.is_cut {
            notes.push("Only the first words were searched for.".to_owned());
        }
        let searched = text.shown.clone();
        let body = view! {
            <ListView
                title=title.clone()
                notes
                categories
                products
                sort
                address="/search"
                parameters=vec![("q", text.shown)]
            />
        };
        Ok(Page::private(title, Bundle::None, body).with_searched(searched))
    })
}

/// Shows a list of products. `address` and `parameters` are those of the page, without its order.
#[component]
fn ListView(
    title: String,
    mut notes: Vec<String>,
    categories: Vec<String>,
    products: Vec<Product>,
    sort: ProductSort,
    #[prop(into)] address: String,
    parameters: Vec<(&'static str, String)>,
) -> impl IntoView {
    if products.len() == PRODUCTS_MAX {
        notes.push(format!(
            "These are the first {PRODUCTS_MAX} products. Search to find others."
        ));
    }
    let count = match products.len() {
        1 => "1 product".to_owned(),
        count => format!("{count} products"),
    };
    let list = if products.is_empty() {
        view! { <NothingFound/> }.into_any()
    } else {
        let cards = products
            .into_iter()
            .map(|product| view! { <li><Card product/></li> })
            .collect_view();
        view! {
            <SortNav sort address=address.clone() parameters/>
            <section aria-labelledby="all">
                <h2 class="vh" id="all">"Products"</h2>
                <ul class="grid">{cards}</ul>
            </section>
        }
        .into_any()
    };
    view! {
        <main class="page" id="main" tabindex="-1">
            <div class="page-head">
                <h1 dir="auto">{title}</h1>
                <p class="page-head__lead">{count}</p>
                {notes.into_iter().map(|note| view! { <p class="quiet">{note}</p> }).collect_view()}
            </div>
            <CategoryNav categories current=address/>
            {list}
        </main>
    }
}

#[component]
fn NothingFound() -> impl IntoView {
    view! {
        <div class="panel">
            <h2 class="panel__title">"No product was found"</h2>
            <p>"Check the spelling, use fewer words, or choose a category."</p>
            <p class="panel__go"><a class="btn btn--line" href="/search">"Show all products"</a></p>
        </div>
    }
}

/// Links to the same list in each order. Search engines need only one of them.
#[component]
fn SortNav(
    sort: ProductSort,
    address: String,
    parameters: Vec<(&'static str, String)>,
) -> impl IntoView {
    let links = ProductSort::ALL
        .into_iter()
        .map(|other| {
            let href = sorted_address(&address, &parameters, other);
            let current = (other == sort).then_some("true");
            view! { <li><a href=href rel="nofollow" aria-current=current>{other.label()}</a></li> }
        })
        .collect_view();
    view! {
        <nav class="sort" aria-labelledby="sort-label">
            <p class="sort__label" id="sort-label">"Sort by"</p>
            <ul>{links}</ul>
        </nav>
    }
}

fn sorted_address(
    address: &str,
    parameters: &[(&'static str, String)],
    sort: ProductSort,
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        query.append_pair(name, value);
    }
    if sort != ProductSort::default() {
        query.append_pair("sort", sort.key());
    }
    match query.finish().as_str() {
        "" => address.to_owned(),
        query => format!("{address}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_parameter_of_the_list_unless_it_is_the_shops_own() {
        let query = [("q", "50% “off” & more".to_owned())];
        let address = sorted_address("/search", &query, ProductSort::PriceUp);
        assert_eq!(
            address,
            "/search?q=50%25+%E2%80%9Coff%E2%80%9D+%26+more&sort=price-up"
        );
        let own = sorted_address("/categories/audio", &[], ProductSort::Featured);
        assert_eq!(own, "/categories/audio");
    }
}
