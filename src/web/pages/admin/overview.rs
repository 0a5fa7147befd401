//! `/admin`: the stock audit, the stock, and the latest orders and runs.

use leptos::prelude::*;

use super::{
    RunsTable, StockTable, Subnav,
    audit_tile::{AuditTile, Audits},
};
use crate::{
    model::OrderView,
    shop::{
        audit::{self, Stored},
        stock::StockLevel,
    },
    simulation::store::{self, ListedRun},
    ui::{
        data_table::{
            ColumnHead::{Number, Text},
            DataTable,
        },
        order_badge::badge_class,
        utc_time::UtcTime,
    },
    web::{
        maintenance::old_data::{KindReport, RetentionReport},
        pages::{
            form_key::FormPage,
            frame::{Bundle, Page, framed},
        },
    },
};

const ORDERS_SHOWN: u64 = 8;
const RUNS_SHOWN: u64 = 5;

/// `/admin`
#[component]
pub fn OverviewPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let shop = visit.shop();
        let changes = audit::latest(shop.db(), Stored::Continuous).await?;
        let history = audit::latest(shop.db(), Stored::Full).await?;
        let levels = shop.stock().levels().await?;
        let orders = shop.orders().latest(ORDERS_SHOWN).await?;
        let runs = store::latest(shop.db(), RUNS_SHOWN).await?;
        let retention = visit.retention();
        let body = view! { <OverviewView audits=Audits { changes, history } levels orders runs retention/> };
        Ok(Page::private("Admin", Bundle::None, body))
    })
}

#[component]
fn OverviewView(
    audits: Audits,
    levels: Vec<StockLevel>,
    orders: Vec<OrderView>,
    runs: Vec<ListedRun>,
    retention: Option<RetentionReport>,
) -> impl IntoView {
    let sold: i64 = levels.iter().map(|level| level.sold).sum();
    let available: i64 = levels.iter().map(|level| level.available).sum();
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin"/>
            <div class="page-head page-head--row">
                <h1>"Admin"</h1>
                <form method="post" action="/api/form/admin/logout">
                    <FormPage/>
                    <button class="btn" type="submit">"Sign out"</button>
                </form>
            </div>
            <div class="tiles">
                <AuditTile audits/>
                <section class="tile" aria-labelledby="t-sold">
                    <h2 class="tile__label" id="t-sold">"Units sold"</h2>
                    <p class="tile__value">{sold}</p>
                    <p class="tile__text">"across all orders"</p>
                </section>
                <section class="tile" aria-labelledby="t-left">
                    <h2 class="tile__label" id="t-left">"Units available"</h2>
                    <p class="tile__value">{available}</p>
                    <p class="tile__text">{format!("across {} products", levels.len())}</p>
                </section>
            </div>
            <div class="back">
                <p class="quiet" data-testid="retention"><strong>"Retention: "</strong>{retention_text(retention)}</p>
                <StockTable levels/>
                <div class="back back--two">
                    <OrdersTable orders/>
                    <RunsTable runs caption="Recent simulation runs" full=false/>
                </div>
            </div>
        </main>
    }
}

/// Says whether old data is left, and how much.
fn retention_text(report: Option<RetentionReport>) -> String {
    let Some(report) = report else {
        return "the first check for old data is in progress.".to_owned();
    };
    let kinds = report.kinds.iter();
    let left: Vec<_> = kinds.filter_map(KindReport::left_in_words).collect();
    if left.is_empty() {
        format!("all old data was deleted at {}.", report.at)
    } else {
        format!("{} left to delete at {}.", left.join(", "), report.at)
    }
}

#[component]
fn OrdersTable(orders: Vec<OrderView>) -> impl IntoView {
    if orders.is_empty() {
        return view! { <p class="panel">"No orders yet. The newest appear here."</p> }.into_any();
    }
    let rows = orders
        .into_iter()
        .map(|order| {
            let standing = order.status_view();
            view! {
                <tr>
                    <th scope="row" class="tight">
                        <a class="code-no" href=format!("/admin/orders/{}", order.public_id)>{order.number.clone()}</a>
                    </th>
                    <td><span class=badge_class(standing.tone)>{standing.status}</span></td>
                    <td class="tight"><UtcTime at=order.placed_at.clone()/></td>
                    <td class="n">{order.bill.total.to_string()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <DataTable caption="Recent orders" heads=vec![Text("Order"), Text("Status"), Text("Placed"), Number("Total")]>
            {rows}
        </DataTable>
    }
    .into_any()
}
