//! `/admin/redis`: the gates in Redis beside their stock rows, with a button to reconcile them.

use leptos::prelude::*;

use super::redis_page::RedisPage;
use crate::{
    shop::gates::{GateFailure, GateReport, Inspection},
    ui::data_table::{
        ColumnHead::{Number, Text},
        DataTable,
    },
    web::pages::{form_key::FormPage, frame::framed},
};

/// The texts of the pages about gates.
pub(super) const PAGE: RedisPage = RedisPage {
    path: "/admin/redis",
    title: "Redis",
    lead: "A gate saves work at its stock row. The row decides.",
    without_redis: "This server has no Redis. Set REDIS_URL and start it again to use the \
                    strategies that need it.",
    while_unavailable: "Redis does not answer. The shop continues to sell from its stock rows. Reload this \
                 page later.",
};

/// `/admin/redis`
#[component]
pub fn GatesPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let read = visit.shop().gates().inspect().await;
        PAGE.load(&visit, read, |inspection| {
            view! { <Gates inspection/> }.into_any()
        })
        .await
    })
}

#[component]
fn Gates(inspection: Inspection) -> impl IntoView {
    let unreadable = unreadable(&inspection.failed);
    if inspection.gates.is_empty() {
        if let Some(unreadable) = unreadable {
            return unreadable;
        }
        let sentence = "No gate was used in the last hour. The first purchase with a strategy that \
                        needs Redis opens the gate of its product.";
        return view! { <p class="panel">{sentence}</p> }.into_any();
    }
    let rows = inspection
        .gates
        .into_iter()
        .map(|report| view! { <GateRow report/> })
        .collect_view();
    view! {
        {unreadable}
        <DataTable
            caption="Gates"
            note="A gate that differs is reconciled within seconds."
            label="Gates in Redis"
            heads=vec![
                Text("Product"),
                Text("State"),
                Number("Gate lets through"),
                Number("Leased"),
                Number("Leases"),
                Number("Row available"),
                Number("Gate version"),
                Number("Row version"),
            ]
        >
            {rows}
        </DataTable>
        <form class="after-table" method="post" action="/api/form/admin/reconcile-gates">
            <FormPage/>
            <button class="btn" type="submit">"Reconcile now"</button>
        </form>
    }
    .into_any()
}

/// Names the gates that cannot be read, if there are any.
fn unreadable(failed: &[GateFailure]) -> Option<AnyView> {
    if failed.is_empty() {
        return None;
    }
    let lines: Vec<_> = failed
        .iter()
        .map(|failure| view! { <li>{failure.to_string()}</li> })
        .collect();
    let panel = view! {
        <section class="panel" aria-label="Gates that cannot be read">
            <p>"These gates cannot be read. Their purchases go to the stock row."</p>
            <ul>{lines}</ul>
        </section>
    };
    Some(panel.into_any())
}

#[component]
fn GateRow(report: GateReport) -> impl IntoView {
    let (class, word) = match report.difference {
        None => ("badge badge--ok", "same as the row"),
        Some(difference) if report.is_violation() => ("badge badge--bad", difference.in_words()),
        Some(difference) => ("badge badge--low", difference.in_words()),
    };
    let number = |number: Option<i64>| number.map_or("–".to_owned(), |number| number.to_string());
    let gate = report.gate;
    view! {
        <tr id=format!("gate-{}", report.product_id)>
            <th scope="row" dir="auto">
                <a href=format!("/admin/redis/{}", report.product_id)>{report.product_name}</a>
            </th>
            <td><span class=class>{word}</span></td>
            <td class="n">{gate.left()}</td>
            <td class="n">{gate.active}</td>
            <td class="n">{gate.leases}</td>
            <td class="n">{number(report.row.map(|row| row.available))}</td>
            <td class="n">{gate.level.version}</td>
            <td class="n">{number(report.row.map(|row| row.version))}</td>
        </tr>
    }
}
