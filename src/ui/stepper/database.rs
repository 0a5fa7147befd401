//! What stands between the actors: the row, as each of them has it, and the locks.

use leptos::prelude::*;

use super::actor_class;
use crate::model::stepper::{Counters, LockView, RowView, Standing, StepperView, letter};

/// A counter's name, and where it is.
type Column = (&'static str, fn(&Counters) -> i64);

const COLUMNS: [Column; 4] = [
    ("Available", |row| row.available),
    ("Reserved", |row| row.reserved),
    ("Sold", |row| row.sold),
    ("Version", |row| row.version),
];

/// The rows and the locks of a session.
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
    let caption = format!("The stock row of {}", row.product);
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
    let holder = match row.locked_by {
        Some(actor) => view! {
            <p class=actor_class("row-lock", actor)>
                <span class="row-lock__tag">"Locked"</span>{format!(" by {}", name_of(actor))}
            </p>
        }
        .into_any(),
        None => view! { <p class="row-lock row-lock--none">"Locked by nobody"</p> }.into_any(),
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
    if view.standing != Standing::Open {
        return view! { <p class="quiet">"Every lock has been given back."</p> }.into_any();
    }
    let (telling, others): (Vec<_>, Vec<_>) = view.locks.iter().partition(|lock| lock.telling);
    let all = (!others.is_empty()).then(|| {
        let count = others.len();
        view! {
            <details class="ledger__more">
                <summary>{format!("{count} locks that keep nobody out here")}</summary>
                {lock_table(view, &others, "Locks on tables and indexes")}
            </details>
        }
    });
    let telling = if telling.is_empty() {
        view! { <p class="ledger__none">"Nobody has a row, and nobody waits."</p> }.into_any()
    } else {
        lock_table(view, &telling, "Locks").into_any()
    };
    view! { {telling} {all} }.into_any()
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
                ("badge badge--info", "has")
            } else {
                ("badge badge--low", "waits")
            };
            view! {
                <tr>
                    <th scope="row" class=actor_class("lock__who", lock.actor)>
                        <span class="lock__letter" aria-hidden="true">{letter(lock.actor).to_ascii_uppercase()}</span>
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
            <thead class="vh"><tr><th scope="col">"Who"</th><th scope="col">"Standing"</th><th scope="col">"On"</th></tr></thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
