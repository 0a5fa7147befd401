//! `/`: the sale that opens next, the sales that are open now, and those that are over.

use leptos::prelude::*;

use super::{
    category_nav::CategoryNav,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    product_card::Card,
    refresh_time::seconds_until_change,
};
use crate::{
    islands::shop::{LiveSales, SalePrice, SaleShutter, StockLine},
    model::{LiveSale, Product, SaleState},
    web::{addresses, assets, live::stock::PRODUCTS_MAX},
};

/// The product that the page features unless a sale opens soon.
const FEATURED_PRODUCT_ID: i64 = 1;
/// The most products of one group; the list of all products has the others. One stream follows all
/// products of the page.
const GROUP_PRODUCTS_MAX: usize = 32;
const _: () = assert!(3 * GROUP_PRODUCTS_MAX < PRODUCTS_MAX);
/// A sale that opens within this time is featured.
const SOON_MS: i64 = 24 * 60 * 60 * 1_000;

/// `/`
#[component]
pub fn HomePage() -> impl IntoView {
    framed(|visit| async move {
        let products = visit.catalog().products().await?;
        let categories = visit.catalog().categories().await?;
        let now_ms = products.first().map_or(0, |product| product.read_at_ms);
        let refresh_s = seconds_until_change(products.iter().map(|product| product.plan), now_ms);
        let body = view! { <HomeView categories products now_ms/> };
        let page = Page::public("Today’s doorbusters", Bundle::Shop, body);
        Ok(match refresh_s {
            Some(seconds) => page.refreshed_after(seconds),
            None => page,
        })
    })
}

/// The products of the page, by the state of their sale, at most [`GROUP_PRODUCTS_MAX`] of each.
#[derive(Debug, Default, PartialEq)]
struct Groups {
    featured: Option<Product>,
    /// By their start.
    opens_next: Vec<Product>,
    open_now: Vec<Product>,
    /// Sold out or ended.
    over: Vec<Product>,
    /// True if the page does not show all products.
    is_cut: bool,
}

impl Groups {
    fn of(mut products: Vec<Product>) -> Self {
        let featured = featured(&products)
            .and_then(|id| products.iter().position(|product| product.id == id))
            .map(|place| products.remove(place));
        let mut groups = Self {
            featured,
            ..Self::default()
        };
        for product in products {
            match product.state() {
                SaleState::Announced => groups.opens_next.push(product),
                SaleState::Open | SaleState::ReservedOut => groups.open_now.push(product),
                SaleState::SoldOut | SaleState::Ended => groups.over.push(product),
            }
        }
        groups.opens_next.sort_by_key(start_of);
        for group in [
            &mut groups.opens_next,
            &mut groups.open_now,
            &mut groups.over,
        ] {
            groups.is_cut |= group.len() > GROUP_PRODUCTS_MAX;
            group.truncate(GROUP_PRODUCTS_MAX);
        }
        groups
    }
}

fn start_of(product: &Product) -> Option<i64> {
    product.plan.starts_at_ms
}

/// Returns the product to feature: the next one to open, if it opens soon or the usual one cannot
/// be bought; else the usual one.
fn featured(products: &[Product]) -> Option<i64> {
    let usual = products
        .iter()
        .find(|product| product.id == FEATURED_PRODUCT_ID);
    let next = products
        .iter()
        .filter(|product| product.state() == SaleState::Announced)
        .min_by_key(|product| start_of(product));
    let opens_soon = next.is_some_and(|next| {
        start_of(next).is_some_and(|start| start.saturating_sub(next.read_at_ms) <= SOON_MS)
    });
    let is_usual_open = usual.is_some_and(|usual| usual.state() == SaleState::Open);
    match (next, usual) {
        (Some(next), _) if opens_soon || !is_usual_open => Some(next.id),
        (_, usual) => usual.map(|usual| usual.id),
    }
}

#[component]
fn HomeView(categories: Vec<String>, products: Vec<Product>, now_ms: i64) -> impl IntoView {
    let groups = Groups::of(products);
    let lists = [&groups.opens_next, &groups.open_now, &groups.over];
    let mut followed: Vec<i64> = groups
        .featured
        .iter()
        .chain(lists.into_iter().flatten())
        .map(|product| product.id)
        .collect();
    // All pages that follow the same products share one state, in whatever order they show them.
    followed.sort_unstable();
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="Today’s doorbusters" lead="Limited stock, fixed prices, live counts."/>
            <CategoryNav categories current="/"/>
            <LiveSales products=followed now_ms>
                {groups.featured.map(|product| view! { <Hero product/> })}
                <Group id="opens-next" title="Opens next" states="announced" products=groups.opens_next/>
                <Group id="open-now" title="Open now" states="open reserved-out" products=groups.open_now/>
                <Group id="over" title="Sold out or ended" states="sold-out ended" products=groups.over/>
            </LiveSales>
            <script defer src=assets::href("sale_groups.js")></script>
            {groups.is_cut.then(|| view! {
                <p class="panel__go"><a class="btn btn--line" href="/search">"Show all products"</a></p>
            })}
        </main>
    }
}

/// A section of cards, hidden while it is empty. `public/sale_groups.js` moves a card whose sale is
/// no longer in one of `states`.
#[component]
fn Group(
    id: &'static str,
    title: &'static str,
    states: &'static str,
    products: Vec<Product>,
) -> impl IntoView {
    let is_empty = products.is_empty();
    let cards = products
        .into_iter()
        .map(|product| {
            let id = product.id;
            view! { <li data-product=id><Card product/></li> }
        })
        .collect_view();
    view! {
        <section class="group" aria-labelledby=id data-states=states hidden=is_empty>
            <h2 class="section-title" id=id>{title}</h2>
            <ul class="grid">{cards}</ul>
        </section>
    }
}

#[component]
fn Hero(product: Product) -> impl IntoView {
    let href = addresses::product(&product.slug);
    let sale = LiveSale::of(&product);
    let now_ms = product.read_at_ms;
    let copy = format!(
        "{} units, {} numbered tickets. When they’re gone, we tell you at once.",
        product.total, product.total
    );
    view! {
        <section class="hero" aria-labelledby="hero-name">
            <div class="hero__text">
                <p class="hero__eyebrow" dir="auto">{product.category.clone()}</p>
                <h2 class="hero__name" id="hero-name"><a href=href.clone() dir="auto">{product.name.clone()}</a></h2>
                <p class="hero__copy">{copy}</p>
                <div class="hero__stock"><StockLine sale=sale.clone() now_ms/></div>
                <div class="hero__buy">
                    <p class="price"><SalePrice sale=sale.clone() now_ms on_card=false/></p>
                    <a class="btn btn--primary btn--big" href=href.clone()>"View product"</a>
                </div>
            </div>
            <div class="hero__art">
                <img src=assets::href(&product.artwork) alt="" width="800" height="600"/>
                <SaleShutter sale now_ms calendar=format!("{href}/sale.ics")/>
            </div>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Currency, Money, SalePlan};

    const NOW_MS: i64 = 1_000_000_000;

    fn product(id: i64, starts_at_ms: Option<i64>, available: i64) -> Product {
        Product {
            id,
            slug: format!("product-{id}"),
            name: format!("Product {id}"),
            description: String::new(),
            category: "Audio".to_owned(),
            artwork: String::new(),
            price: Money::new(100, Currency::EUR),
            compare_at: None,
            per_customer_limit: None,
            plan: SalePlan {
                starts_at_ms,
                ends_at_ms: None,
            },
            available,
            reserved: 0,
            sold: 20 - available,
            total: 20,
            read_at_ms: NOW_MS,
            sell_out: None,
        }
    }

    fn ids(products: &[Product]) -> Vec<i64> {
        products.iter().map(|product| product.id).collect()
    }

    #[test]
    fn what_opens_soon_is_featured_before_the_usual_product() {
        let (soon, later) = (Some(NOW_MS + 5_000), Some(NOW_MS + 2 * SOON_MS));
        for (products, expected) in [
            (vec![], None),
            (vec![product(2, None, 5)], None),
            (vec![product(1, None, 5), product(2, None, 5)], Some(1)),
            (vec![product(1, None, 5), product(2, later, 5)], Some(1)),
            (vec![product(1, None, 0), product(2, later, 5)], Some(2)),
            (vec![product(1, None, 0)], Some(1)),
            (
                vec![
                    product(1, None, 5),
                    product(2, later, 5),
                    product(3, soon, 5),
                ],
                Some(3),
            ),
        ] {
            assert_eq!(featured(&products), expected, "{:?}", ids(&products));
        }
    }

    #[test]
    fn each_other_product_is_in_one_group() {
        let ended = Product {
            plan: SalePlan {
                starts_at_ms: None,
                ends_at_ms: Some(NOW_MS),
            },
            ..product(6, None, 5)
        };
        let reserved = Product {
            reserved: 20,
            ..product(4, None, 0)
        };
        let groups = Groups::of(vec![
            product(1, None, 5),
            product(2, Some(NOW_MS + 3 * SOON_MS), 5),
            product(3, Some(NOW_MS + 2 * SOON_MS), 5),
            reserved,
            product(5, None, 0),
            ended,
        ]);
        assert_eq!(groups.featured.map(|product| product.id), Some(1));
        assert_eq!(ids(&groups.opens_next), [3, 2]);
        assert_eq!(ids(&groups.open_now), [4]);
        assert_eq!(ids(&groups.over), [5, 6]);
        assert!(!groups.is_cut);
    }

    #[test]
    fn a_group_is_cut_so_that_one_stream_follows_the_whole_page() {
        let of_size = |count: usize| {
            let ids = 10..10 + i64::try_from(count).expect("few");
            Groups::of(ids.map(|id| product(id, None, 5)).collect())
        };
        let full = of_size(GROUP_PRODUCTS_MAX);
        assert_eq!(full.open_now.len(), GROUP_PRODUCTS_MAX);
        assert!(!full.is_cut);
        let cut = of_size(GROUP_PRODUCTS_MAX + 1);
        assert_eq!(cut.open_now.len(), GROUP_PRODUCTS_MAX);
        assert!(cut.is_cut);
    }
}
