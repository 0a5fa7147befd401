//! The database between the actors: the stock rows, as each actor's transaction sees them, and the
//! locks.

use leptos::prelude::*;

use super::actor_class;
use crate::model::stepper::{
    Counters, LockView, RowView, StepperStatus, StepperView, actor_letter,
};

/// A counter's name, and the function that reads it.
type Column = (&'static str, fn(&Counters) -> i64);

const COLUMNS: [Column; 4] = [
    ("Available", |row| row.available),
    ("Reserved", |row| row.reserved),
    ("Sold", |row| row.sold),
    ("Version", |row| row.version),
];

/// Shows the stock rows and the locks of a session.
#[component]
pub fn Database(view: StepperView) -> impl IntoView {
    let rows: Vec<_> = view
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| stock_row(&view, row, index))
        .collect();
    view! {
        <section class="ledger" aria-labelledby="database">
            <h2 class="ledger__title" id="database">"In the database"</h2>
            {rows}
            {locks(&view)}
        </section>
    }
}

fn stock_row(view: &StepperView, row: &RowView, index: usize) -> impl IntoView + use<> {
    let caption = format!("Stock row of {}", row.product);
    let committed = row.committed;
    let name_of = |actor: usize| {
        let actor = view.actors.get(actor);
        actor.map(|actor| actor.name.clone()).unwrap_or_default()
    };
    let heads: Vec<_> = row
        .written
        .iter()
        .map(|(actor, _)| view! { <th scope="col" class=actor_class("n", *actor)>{format!("inside {}", name_of(*actor))}</th> })
        .collect();
    let lines: Vec<_> = COLUMNS
        .into_iter()
        .map(|(name, of)| {
            let inside: Vec<_> = row
                .written
                .iter()
                .map(|(_, counters)| {
                    let changed = of(counters) != of(&committed);
                    view! { <td class=if changed { "n changed" } else { "n" }>{of(counters)}</td> }
                })
                .collect();
            view! {
                <tr><th scope="row">{name}</th><td class=number_class(of(&committed))>{of(&committed)}</td>{inside}</tr>
            }
        })
        .collect();
    let holder = match (row.locked_by, row.shared_by.as_slice()) {
        (Some(actor), _) => view! {
            <p class=actor_class("row-lock", actor)>
                <span class="row-lock__tag">"Locked"</span>{format!(" by {}", name_of(actor))}
            </p>
        }
        .into_any(),
        (None, [first, ..]) => view! {
            <p class=actor_class("row-lock", *first)>
                <span class="row-lock__tag">"Locked for reading"</span>{format!(" by {}", view.names(&row.shared_by))}
            </p>
        }
        .into_any(),
        (None, []) => view! { <p class="row-lock row-lock--none">"Not locked"</p> }.into_any(),
    };
    view! {
        <div class="row-card" data-testid=format!("row-{index}")>
            <table class="table row-card__table">
                <caption>{caption}</caption>
                <thead><tr><td></td><th scope="col" class="n">"committed"</th>{heads}</tr></thead>
                <tbody>{lines}</tbody>
            </table>
            {holder}
        </div>
    }
}

fn number_class(number: i64) -> &'static str {
    if number < 0 { "n below" } else { "n" }
}

fn locks(view: &StepperView) -> AnyView {
    if view.status != StepperStatus::Open {
        return view! { <p class="quiet">"All locks have been released."</p> }.into_any();
    }
    let (relevant, others): (Vec<_>, Vec<_>) = view.locks.iter().partition(|lock| lock.relevant);
    let all = (!others.is_empty()).then(|| {
        let count = others.len();
        view! {
            <details class="ledger__more">
                <summary>{format!("{count} locks that block no session here")}</summary>
                {lock_table(view, &others, "Locks on tables and indexes")}
            </details>
        }
    });
    let relevant = if relevant.is_empty() {
        view! { <p class="ledger__none">"No row is locked, and no session waits."</p> }.into_any()
    } else {
        lock_table(view, &relevant, "Locks").into_any()
    };
    view! { {relevant} {all} }.into_any()
}

fn lock_table(
    view: &StepperView,
    locks: &[&LockView],
    caption: &'static str,
) -> impl IntoView + use<> {
    let rows: Vec<_> = locks
        .iter()
        .map(|lock| {
            let name = view.actors.get(lock.actor).map(|actor| actor.name.clone());
            let (class, word) = if lock.granted {
                ("badge badge--info", "holds")
            } else {
                ("badge badge--low", "waits")
            };
            view! {
                <tr>
                    <th scope="row" class=actor_class("lock__who", lock.actor)>
                        <span class="lock__letter" aria-hidden="true">{actor_letter(lock.actor).to_ascii_uppercase()}</span>
                        <span class="vh">{name}</span>
                    </th>
                    <td><span class=class>{word}</span></td>
                    <td>{lock.on.clone()}<span class="lock__mode">{lock.mode.clone()}</span></td>
                </tr>
            }
        })
        .collect();
    view! {
        <table class="table lock-table">
            <caption>{caption}</caption>
            <thead class="vh"><tr><th scope="col">"Session"</th><th scope="col">"Status"</th><th scope="col">"Lock on"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
