//! `/admin`: the audit, the stock, the latest orders and runs.

use leptos::prelude::*;

use super::{RunsTable, Subnav};
use crate::{
    model::{OrderView, RunSnapshot, ShopError},
    shop::{
        audit::{self, AuditReport},
        catalog::StockLevel,
    },
    simulation::store,
    web::pages::frame::{Bundle, Page, framed},
};

const ORDERS_SHOWN: u64 = 8;
const RUNS_SHOWN: u64 = 5;
/// Width of a stock bar, in its own units.
const BAR_WIDTH: i64 = 128;

/// `/admin`
#[component]
pub fn OverviewPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let shop = visit.shop();
        let audit = audit::run(shop.db()).await.map_err(ShopError::from)?;
        let levels = shop.stock_levels().await?;
        let orders = shop.latest_orders(ORDERS_SHOWN).await?;
        let runs = store::latest(shop.db(), RUNS_SHOWN).await?;
        let body = view! { <OverviewView audit levels orders runs/> };
        Ok(Page::private("Behind the counter", Bundle::None, body))
    })
}

#[component]
fn OverviewView(
    audit: AuditReport,
    levels: Vec<StockLevel>,
    orders: Vec<OrderView>,
    runs: Vec<RunSnapshot>,
) -> impl IntoView {
    let sold: i64 = levels.iter().map(|level| level.sold).sum();
    let available: i64 = levels.iter().map(|level| level.available).sum();
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin"/>
            <div class="page-head page-head--row">
                <h1>"Behind the counter"</h1>
                <form method="post" action="/api/form/admin/logout"><button class="btn" type="submit">"Sign out"</button></form>
            </div>
            <div class="tiles">
                <AuditTile audit/>
                <section class="tile" aria-labelledby="t-sold">
                    <h2 class="tile__label" id="t-sold">"Units sold"</h2>
                    <p class="tile__value">{sold}</p>
                    <p class="tile__text">"by the shop, in all"</p>
                </section>
                <section class="tile" aria-labelledby="t-left">
                    <h2 class="tile__label" id="t-left">"Units left"</h2>
                    <p class="tile__value">{available}</p>
                    <p class="tile__text">{format!("of {} products", levels.len())}</p>
                </section>
            </div>
            <div class="back">
                <StockTable levels/>
                <div class="back back--two">
                    <OrdersTable orders/>
                    <RunsTable runs caption="Recent simulation runs" full=false/>
                </div>
            </div>
        </main>
    }
}

#[component]
fn AuditTile(audit: AuditReport) -> impl IntoView {
    let clean = audit.is_clean();
    let broken: Vec<_> = audit
        .rules
        .iter()
        .filter(|rule| rule.violations > 0)
        .collect();
    let class = if clean {
        "tile tile--wide tile--ok"
    } else {
        "tile tile--wide tile--bad"
    };
    let value = match broken.len() {
        0 => "Every unit accounted for".to_owned(),
        1 => "1 rule is broken".to_owned(),
        n => format!("{n} rules are broken"),
    };
    let text = if clean {
        format!("{} rules checked at {}.", audit.rules.len(), audit.at)
    } else {
        broken
            .iter()
            .map(|rule| format!("{}: {}", rule.rule, rule.listed.join("; ")))
            .collect::<Vec<_>>()
            .join(". ")
    };
    view! {
        <section class=class aria-labelledby="audit">
            <h2 class="tile__label" id="audit">"Stock audit"</h2>
            <p class="tile__value">{value}</p>
            <p class="tile__text">{text}</p>
        </section>
    }
}

#[component]
fn StockTable(levels: Vec<StockLevel>) -> impl IntoView {
    let rows = levels
        .into_iter()
        .map(|level| view! { <StockRow level/> })
        .collect_view();
    view! {
        <div class="table-wrap" id="stock-table" role="region" aria-label="Stock by product" tabindex="0">
            <table class="table">
                <caption>
                    "Stock by product "<span class="quiet">"In the bar, green is sold and amber is reserved."</span>
                </caption>
                <thead>
                    <tr>
                        <th scope="col">"Product"</th>
                        <th scope="col" class="n">"Total"</th>
                        <th scope="col" class="n">"Available"</th>
                        <th scope="col" class="n">"Reserved"</th>
                        <th scope="col" class="n">"Sold"</th>
                        <th scope="col">"Sold and reserved"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[component]
fn StockRow(level: StockLevel) -> impl IntoView {
    let width = |units: i64| BAR_WIDTH * units / level.total.max(1);
    let (sold, reserved) = (width(level.sold), width(level.reserved));
    view! {
        <tr class=(level.available <= 0).then_some("row--zero")>
            <th scope="row"><a href=format!("/products/{}", level.slug)>{level.name.clone()}</a></th>
            <td class="n">{level.total}</td>
            <td class="n">{level.available}</td>
            <td class="n">{level.reserved}</td>
            <td class="n">{level.sold}</td>
            <td>
                <svg class="stockbar" viewBox="0 0 128 12" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                    <rect class="stockbar__all" width=BAR_WIDTH height="12"></rect>
                    <rect class="stockbar__sold" width=sold height="12"></rect>
                    <rect class="stockbar__held" x=sold width=reserved height="12"></rect>
                </svg>
            </td>
        </tr>
    }
}

#[component]
fn OrdersTable(orders: Vec<OrderView>) -> impl IntoView {
    let rows = orders
        .into_iter()
        .map(|order| {
            view! {
                <tr>
                    <th scope="row" class="tight">
                        <a class="code-no" href=format!("/orders/{}", order.public_id)>{order.number}</a>
                    </th>
                    <td class="tight">{order.placed_at}</td>
                    <td class="n">{order.total.to_string()}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="table-wrap" role="region" aria-label="Recent orders" tabindex="0">
            <table class="table">
                <caption>"Recent orders"</caption>
                <thead>
                    <tr><th scope="col">"Order"</th><th scope="col">"Placed"</th><th scope="col" class="n">"Total"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
