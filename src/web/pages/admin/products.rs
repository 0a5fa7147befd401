//! `/admin/products`: the products and their sales.

use jiff::tz::TimeZone;
use leptos::prelude::*;

use super::Subnav;
use crate::{
    model::{Product, SaleState},
    shop::{local_time, moment},
    ui::data_table::{
        ColumnHead::{Number, Text},
        DataTable,
    },
    web::{
        addresses,
        pages::{
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
    },
};

/// `/admin/products`
#[component]
pub fn ProductsPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let products = visit.shop().sales().list().await?;
        let zone = visit.shop().terms().time_zone.clone();
        let body = view! { <ProductsView products zone/> };
        Ok(Page::private("Products", Bundle::None, body))
    })
}

#[component]
fn ProductsView(products: Vec<Product>, zone: TimeZone) -> impl IntoView {
    let rows = products
        .into_iter()
        .map(|product| view! { <ProductRow product zone=zone.clone()/> })
        .collect_view();
    let heads = vec![
        Text("Product"),
        Text("Sale"),
        Text("From"),
        Text("Until"),
        Number("Price"),
        Number("Available"),
        Number("Total"),
    ];
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/products"/>
            <PageHead title="Products" lead="Choose a product to plan its sale."/>
            <DataTable caption="Sales" label="Sales by product" heads>{rows}</DataTable>
            <ZoneNote zone=local_time::name(&zone)/>
        </main>
    }
}

#[component]
fn ProductRow(product: Product, zone: TimeZone) -> impl IntoView {
    let (class, word) = badge(product.state());
    let time = |ms| time_of(&zone, ms).unwrap_or_else(|| "–".to_owned());
    view! {
        <tr>
            <th scope="row"><a href=addresses::admin_product(&product.slug) dir="auto">{product.name.clone()}</a></th>
            <td class="tight"><span class=class>{word}</span></td>
            <td class="tight">{time(product.plan.starts_at_ms)}</td>
            <td class="tight">{time(product.plan.ends_at_ms)}</td>
            <td class="n">{product.price.to_string()}</td>
            <td class="n">{product.available}</td>
            <td class="n">{product.total}</td>
        </tr>
    }
}

/// Says in which time zone a page shows and reads times.
#[component]
pub(super) fn ZoneNote(zone: String) -> impl IntoView {
    view! {
        <p class="quiet zone">
            {format!("Times are in {zone}. If clocks go back, the earlier time counts.")}
        </p>
    }
}

/// The badge of a sale: its class and its text.
pub(super) const fn badge(state: SaleState) -> (&'static str, &'static str) {
    match state {
        SaleState::Announced => ("badge badge--info", "Announced"),
        SaleState::Open => ("badge badge--ok", "Open"),
        SaleState::ReservedOut => ("badge badge--low", "All reserved"),
        SaleState::SoldOut => ("badge badge--out", "Sold out"),
        SaleState::Ended => ("badge badge--out", "Ended"),
    }
}

/// Formats Unix milliseconds in the shop's time zone.
pub(super) fn time_of(zone: &TimeZone, ms: Option<i64>) -> Option<String> {
    ms.map(|ms| local_time::in_zone(zone, moment::from_ms(ms)))
}
