//! `/admin/queue`: what waits in the queue of orders, what Redis promises, and the dead letters.

use leptos::prelude::*;

use super::redis_page::RedisPage;
use crate::{
    shop::{
        inventory::order_queue::{DeadLetter, QueueState},
        queue::QueueReport,
    },
    ui::data_table::{
        ColumnHead::{Number, Text},
        DataTable,
    },
    web::pages::{form_key::FormPage, frame::framed},
};

const PAGE: RedisPage = RedisPage {
    path: "/admin/queue",
    title: "Queue",
    lead: "Orders that redis-stream has accepted, until they are written.",
    without_redis: "This server has no Redis. Set REDIS_URL and start it again to use the queue.",
    while_unavailable: "Redis does not answer. Until Redis responds, the shop writes each order immediately. \
                 Reload this page later.",
};

/// `/admin/queue`
#[component]
pub fn QueuePage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let read = visit.shop().queue().inspect().await;
        PAGE.load(&visit, read, |report| view! { <Report report/> }.into_any())
            .await
    })
}

#[component]
fn Report(report: QueueReport) -> impl IntoView {
    view! {
        <p class="panel">{report.durability.promise()}</p>
        <Figures state=report.state/>
        <DeadLetters letters=report.dead_letters/>
    }
}

#[component]
fn Figures(state: QueueState) -> impl IntoView {
    let oldest = format!("{:.1} s", state.oldest.as_secs_f64());
    view! {
        <DataTable
            caption="Orders"
            note="Entries are kept for an hour, for the audit. Restored entries are those that Redis had lost."
            heads=vec![
                Number("Waiting"),
                Number("Being written"),
                Number("Oldest"),
                Number("Dead letters"),
                Number("Entries"),
                Number("Restored"),
            ]
        >
            <tr>
                <td class="n">{state.waiting}</td>
                <td class="n">{state.taken}</td>
                <td class="n">{oldest}</td>
                <td class="n">{state.dead_letters}</td>
                <td class="n">{state.entries}</td>
                <td class="n">{state.restored}</td>
            </tr>
        </DataTable>
    }
}

#[component]
fn DeadLetters(letters: Vec<(DeadLetter, Option<String>)>) -> impl IntoView {
    if letters.is_empty() {
        return view! { <p class="panel">"No dead letters: every order was written or rejected."</p> }
            .into_any();
    }
    let rows = letters
        .into_iter()
        .map(|(letter, product)| view! { <LetterRow letter product/> })
        .collect_view();
    view! {
        <DataTable
            caption="Dead letters"
            note="Orders that could not be written. Their buyers wait for your decision."
            heads=vec![
                Text("Order"),
                Text("Product"),
                Number("Units"),
                Text("Reason"),
                Number("Deliveries"),
                Text("Decision"),
            ]
        >
            {rows}
        </DataTable>
    }
    .into_any()
}

#[component]
fn LetterRow(letter: DeadLetter, product: Option<String>) -> impl IntoView {
    let order = letter.order;
    let has_order = order.is_some();
    let units = order.as_ref().map(|order| order.quantity.get());
    let order_id = order.map_or("not readable".to_owned(), |order| {
        order.order_id.to_string()
    });
    let reject = if has_order { "Reject" } else { "Remove" };
    view! {
        <tr>
            <th scope="row">{order_id}</th>
            <td dir="auto">{product.unwrap_or_else(|| "–".to_owned())}</td>
            <td class="n">{units.map_or("–".to_owned(), |units| units.to_string())}</td>
            <td>{letter.reason}</td>
            <td class="n">{letter.deliveries}</td>
            <td>
                <form method="post" action="/api/form/admin/dead-letter">
                    <FormPage/>
                    <input type="hidden" name="id" value=letter.id/>
                    {has_order.then(|| view! {
                        <button class="btn" type="submit" name="act" value="put-back">"Put back"</button>
                        " "
                    })}
                    <button class="btn" type="submit" name="act" value="reject">{reject}</button>
                </form>
            </td>
        </tr>
    }
}
