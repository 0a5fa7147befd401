//! `/admin/events`: the subscription to the events of the outbox, and their deliveries.

use leptos::prelude::*;

use super::Subnav;
use crate::{
    model::digit_groups::group_digits,
    shop::outbox::{COUNTED_MAX, EventView, OutboxReport},
    ui::{
        data_table::{
            ColumnHead::{Number, Text},
            DataTable,
        },
        field::{Field, FieldKind},
    },
    web::{
        pages::{
            form_error::FormError,
            form_key::FormPage,
            frame::{Bundle, Page, framed},
            page_head::PageHead,
            refill,
        },
        session::Notice,
    },
};

/// `/admin/events`
#[component]
pub fn EventsPage() -> impl IntoView {
    framed(|visit| async move {
        visit.require_admin().await?;
        let report = visit.shop().outbox().inspect().await?;
        let notice = visit.take_notice().await?;
        let body = view! { <EventsView report notice/> };
        Ok(Page::private("Events", Bundle::None, body))
    })
}

#[component]
fn EventsView(report: OutboxReport, notice: Option<Notice>) -> impl IntoView {
    let is_on = report.destination.is_some();
    let secret = report.secret.clone();
    view! {
        <main class="page" id="main" tabindex="-1">
            <Subnav current="/admin/events"/>
            <PageHead title="Events" lead="Orders and stock levels, sent to another system."/>
            <FormError notice=notice.clone() consequence="Nothing was changed."/>
            <Subscription destination=report.destination.clone() notice/>
            {is_on.then(|| view! { <Secret secret/> })}
            <Deliveries report/>
        </main>
    }
}

#[component]
fn Subscription(destination: Option<String>, notice: Option<Notice>) -> impl IntoView {
    let notice = notice.as_ref();
    let is_on = destination.is_some();
    let current = destination.unwrap_or_default();
    let value = refill::typed(notice, "destination", &current);
    let error = refill::error(notice, "destination");
    let save = if is_on { "Save" } else { "Subscribe" };
    view! {
        <form class="panel" method="post" action="/api/form/admin/events" aria-labelledby="subscription">
            <h2 class="panel__title" id="subscription">"Subscription"</h2>
            <FormPage/>
            <div class="fields">
                <Field name="destination" label="Send to" kind=FieldKind::text("off") value error hint="A URL, or redis: and a stream."/>
            </div>
            <div class="form__foot">
                <button class="btn btn--primary" type="submit" name="act" value="subscribe">{save}</button>
                {is_on.then(|| view! {
                    " "
                    <button class="btn" type="submit" name="act" value="unsubscribe">"Unsubscribe"</button>
                })}
            </div>
        </form>
    }
}

#[component]
fn Secret(secret: String) -> impl IntoView {
    view! {
        <details class="panel">
            <summary>"Secret of the signatures"</summary>
            <p>
                "Each request has the header " <code>"Doorbuster-Signature: t=…,v1=…"</code>
                ": the HMAC-SHA256 of the time, a dot and the body."
            </p>
            <p><code>{secret}</code></p>
        </details>
    }
}

#[component]
fn Deliveries(report: OutboxReport) -> impl IntoView {
    if report.listed.is_empty() {
        return view! { <p class="panel">"No events in the last seven days."</p> }.into_any();
    }
    let (note, has_failed) = (note(&report), report.failed > 0);
    let rows = report
        .listed
        .into_iter()
        .map(|event| view! { <EventRow event/> })
        .collect_view();
    view! {
        <DataTable
            caption="Deliveries"
            note
            label="Deliveries of the latest events"
            is_stacked=true
            heads=vec![
                Number("Event"),
                Text("Type"),
                Text("Time"),
                Text("State"),
                Number("Attempts"),
                Text("Data"),
            ]
        >
            {rows}
        </DataTable>
        {has_failed.then(|| view! {
            <form class="after-table" method="post" action="/api/form/admin/events">
                <FormPage/>
                <button class="btn" type="submit" name="act" value="send-again">"Send again now"</button>
            </form>
        })}
    }
    .into_any()
}

/// How many events have each state.
fn note(report: &OutboxReport) -> String {
    let delivered = counted(report.delivered);
    if report.failed == 0 && report.waiting == 0 {
        return format!("All events are delivered. {delivered} in the last seven days.");
    }
    let (failed, waiting) = (counted(report.failed), counted(report.waiting));
    format!("{failed} failed, {waiting} waiting, {delivered} delivered.")
}

fn counted(count: u64) -> String {
    let digits = group_digits(&count.to_string());
    if count < COUNTED_MAX {
        digits
    } else {
        format!("{digits} or more")
    }
}

#[component]
fn EventRow(event: EventView) -> impl IntoView {
    let (class, state) = match (event.delivered_at, event.last_error) {
        (Some(at), _) => ("badge badge--ok", format!("delivered {at}")),
        (None, Some(error)) => ("badge badge--bad", error),
        (None, None) => ("badge badge--low", "waits".to_owned()),
    };
    view! {
        <tr>
            <th scope="row" class="n" data-column="Event">{event.id}</th>
            <td>{event.kind}</td>
            <td data-column="Time">{event.created_at}</td>
            <td><span class=class>{state}</span></td>
            <td class="n" data-column="Attempts">{event.attempts}</td>
            <td><code class="payload">{event.payload}</code></td>
        </tr>
    }
}
