//! `/admin/redis/{id}`: the leases, the lock and the last refusal of one product in Redis.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::gates::PAGE;
use crate::{
    model::ShopError,
    shop::{
        gates::ProductInspection,
        inventory::gate::{GateDetails, Lease},
    },
    ui::data_table::{
        ColumnHead::{Number, Text},
        DataTable,
    },
    web::pages::frame::framed,
};

/// `/admin/redis/{id}`
#[component]
pub fn GatePage() -> impl IntoView {
    let id = use_params_map()
        .get_untracked()
        .get("product_id")
        .unwrap_or_default();
    framed(|visit| async move {
        visit.require_admin().await?;
        let product_id: i64 = id.parse().map_err(|_| ShopError::UnknownProduct)?;
        let read = visit.shop().gates().inspect_product(product_id).await;
        PAGE.load(&visit, read, |inspection| {
            view! { <ProductInRedis inspection/> }.into_any()
        })
        .await
    })
}

#[component]
fn ProductInRedis(inspection: ProductInspection) -> impl IntoView {
    let facts = inspection
        .facts()
        .map(|(name, value)| view! { <dt>{name}</dt><dd class="code-no">{value}</dd> });
    view! {
        <section class="panel" aria-labelledby="product">
            <h2 class="panel__title" id="product" dir="auto">{inspection.product_name}</h2>
            <dl class="facts">{facts.collect_view()}</dl>
        </section>
        <Leases details=inspection.details/>
    }
}

#[component]
fn Leases(details: GateDetails) -> impl IntoView {
    if details.leases.is_empty() {
        return view! { <p class="panel">"No purchase has a lease at this gate."</p> }.into_any();
    }
    let note = format!(
        "{} of {}, those that expire first.",
        details.leases.len(),
        details.leases_total
    );
    let rows = details
        .leases
        .into_iter()
        .map(|lease| view! { <LeaseRow lease/> })
        .collect_view();
    view! {
        <DataTable
            caption="Leases"
            note
            label="Leases of purchases"
            heads=vec![Text("Key of the purchase"), Number("Units"), Number("Ends in ms")]
        >
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn LeaseRow(lease: Lease) -> impl IntoView {
    view! {
        <tr>
            <th scope="row" class="code-no">{lease.key}</th>
            <td class="n">{lease.units}</td>
            <td class="n">{lease.ends_in_ms}</td>
        </tr>
    }
}
