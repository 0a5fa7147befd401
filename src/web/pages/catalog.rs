//! Lists of products: `/categories/{slug}` and `/search`, page by page, in an order that the
//! visitor chooses.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;
use serde_json::Value;

use super::{
    category_nav::CategoryNav,
    document_head::Metadata,
    frame::{Bundle, Page, framed},
    list_pages::{ListAddress, PageMissing, PageNav},
    product_card::Card,
    product_metadata::breadcrumbs,
    query::parameter,
    refresh_time::seconds_until_change,
};
use crate::{
    islands::shop::LiveSales,
    model::{
        Product, ShopError,
        product_query::{PageNumber, ProductQuery, ProductSort, SearchText, category_slug},
    },
    web::{addresses, session::Visit, shared_catalog::FoundProducts},
};

/// Which part of which list an address asks for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    sort: ProductSort,
    /// `None` if the parameter is no number of a page.
    page: Option<PageNumber>,
}

impl Asked {
    fn of_address() -> Self {
        Self {
            sort: ProductSort::parse(&parameter("sort")),
            page: PageNumber::parse(&parameter("page")),
        }
    }
}

/// A list as a page shows it.
#[derive(Clone, Debug)]
struct List {
    title: String,
    notes: Vec<String>,
    address: ListAddress,
    sort: ProductSort,
    page: PageNumber,
    found: FoundProducts,
}

impl List {
    fn last_page(&self) -> PageNumber {
        PageNumber::last_of(self.found.total)
    }

    fn is_missing(&self) -> bool {
        self.page > self.last_page()
    }

    /// The title of the document: each page of a list has its own.
    fn document_title(&self) -> String {
        match self.page {
            PageNumber::FIRST => self.title.clone(),
            page => format!("{} · Page {}", self.title, page.get()),
        }
    }

    /// The page with its islands. Search engines learn nothing of a page that does not exist.
    fn into_page(self, visit: &Visit, categories: Vec<String>, metadata: Option<Metadata>) -> Page {
        let products = &self.found.products;
        let now_ms = products.first().map_or(0, |product| product.read_at_ms);
        let refresh_s = seconds_until_change(products.iter().map(|product| product.plan), now_ms);
        let bundle = match products.is_empty() {
            true => Bundle::None,
            false => Bundle::Shop,
        };
        if self.is_missing() {
            visit.set_status(&ShopError::UnknownPage);
        }
        let metadata = metadata.filter(|_| !self.is_missing());
        let title = self.document_title();
        let list = self;
        let body = view! { <ListView list categories now_ms/> };
        let page = match metadata {
            Some(metadata) => Page::public(title, bundle, body).with_metadata(metadata),
            None => Page::private(title, bundle, body),
        };
        match refresh_s {
            Some(seconds) => page.refreshed_after(seconds),
            None => page,
        }
    }
}

/// `/categories/{slug}?sort=…&page=…`
#[component]
pub fn CategoryPage() -> impl IntoView {
    let slug = use_params_map()
        .get_untracked()
        .get("slug")
        .unwrap_or_default()
        .to_lowercase();
    let Asked { sort, page } = Asked::of_address();
    framed(move |visit| async move {
        let categories = visit.catalog().categories().await?;
        let chosen: Vec<String> = categories
            .iter()
            .filter(|name| category_slug(name) == slug)
            .cloned()
            .collect();
        let (Some(title), Some(page)) = (chosen.first().cloned(), page) else {
            return Err(ShopError::UnknownPage);
        };
        let query = ProductQuery {
            categories: chosen,
            words: Vec::new(),
            sort,
            page,
        };
        let list = List {
            notes: Vec::new(),
            address: ListAddress {
                path: addresses::category(&title),
                parameters: Vec::new(),
            },
            title,
            sort,
            page,
            found: visit.catalog().find(&query).await?,
        };
        let metadata = category_metadata(&list, visit.public_url());
        Ok(list.into_page(&visit, categories, Some(metadata)))
    })
}

/// Search engines know the list in the shop's own order, page by page.
fn category_metadata(list: &List, public_url: &str) -> Metadata {
    let List {
        title,
        address,
        page,
        ..
    } = list;
    let own = |page| address.of(ProductSort::default(), page);
    let trail: [(&str, &str); 2] = [("Shop", "/"), (title, &address.path)];
    let json_ld: Vec<Value> = vec![breadcrumbs(&trail, public_url)];
    Metadata {
        description: format!("{title} at Doorbuster: limited stock, fixed prices, live counts."),
        canonical_path: Some(own(*page)),
        previous_path: page.previous().map(own),
        next_path: page.next(list.last_page()).map(own),
        is_product: false,
        json_ld,
    }
}

/// `/search?q=…&sort=…&page=…`; without words, all products.
#[component]
pub fn SearchPage() -> impl IntoView {
    let text = SearchText::parse(&parameter("q"));
    let Asked { sort, page } = Asked::of_address();
    framed(move |visit| async move {
        let page = page.ok_or(ShopError::UnknownPage)?;
        let categories = visit.catalog().categories().await?;
        let query = ProductQuery {
            categories: Vec::new(),
            words: text.words.clone(),
            sort,
            page,
        };
        let title = match text.words.is_empty() {
            true => "All products".to_owned(),
            false => format!("Results for “{}”", text.shown),
        };
        let mut notes = Vec::new();
        if text.is_cut {
            notes.push("Only the first words were searched for.".to_owned());
        }
        let searched = text.shown.clone();
        let list = List {
            title,
            notes,
            address: ListAddress {
                path: "/search".to_owned(),
                parameters: vec![("q", text.shown)],
            },
            sort,
            page,
            found: visit.catalog().find(&query).await?,
        };
        let page = list.into_page(&visit, categories, None);
        Ok(page.with_searched(searched))
    })
}

/// Shows a list of products, which follows their sales.
#[component]
fn ListView(list: List, categories: Vec<String>, now_ms: i64) -> impl IntoView {
    let (last, is_missing) = (list.last_page(), list.is_missing());
    let List {
        title,
        notes,
        address,
        sort,
        page,
        found,
    } = list;
    let count = match found.total {
        1 => "1 product".to_owned(),
        total => format!("{total} products"),
    };
    let current = address.path.clone();
    let content = if is_missing {
        view! { <PageMissing address sort page last/> }.into_any()
    } else if found.products.is_empty() {
        view! { <NothingFound/> }.into_any()
    } else {
        view! {
            <SortNav sort address=address.clone()/>
            <Cards products=found.products now_ms/>
            <PageNav address sort page last/>
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
            <CategoryNav categories current/>
            {content}
        </main>
    }
}

#[component]
fn Cards(products: Vec<Product>, now_ms: i64) -> impl IntoView {
    // All pages that follow the same products share one state, in whatever order they show them.
    let mut followed: Vec<i64> = products.iter().map(|product| product.id).collect();
    followed.sort_unstable();
    let cards = products
        .into_iter()
        .map(|product| view! { <li><Card product/></li> })
        .collect_view();
    view! {
        <LiveSales products=followed now_ms>
            <section aria-labelledby="all">
                <h2 class="vh" id="all">"Products"</h2>
                <ul class="grid">{cards}</ul>
            </section>
        </LiveSales>
    }
}

#[component]
fn NothingFound() -> impl IntoView {
    view! {
        <div class="panel">
            <h2 class="panel__title">"No products found"</h2>
            <p>"Check the spelling, use fewer words, or choose a category."</p>
            <p class="panel__go"><a class="btn btn--line" href="/search">"Show all products"</a></p>
        </div>
    }
}

/// Links to the first page of the same list in each order. Search engines need only one of them.
#[component]
fn SortNav(sort: ProductSort, address: ListAddress) -> impl IntoView {
    let links = ProductSort::ALL
        .into_iter()
        .map(|other| {
            let href = address.of(other, PageNumber::FIRST);
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
