//! Behind the counter. Every page here but the login is for the administrator only: `security::admit_admin` holds the door.

mod login;
mod overview;
mod simulation_run;
mod simulations;

pub use login::LoginPage;
pub use overview::OverviewPage;
pub use simulation_run::SimulationRunPage;
pub use simulations::SimulationsPage;

use leptos::prelude::*;

use crate::model::{RunSnapshot, RunState};

/// The two halves of the admin pages.
#[component]
fn Subnav(current: &'static str) -> impl IntoView {
    let item = |href: &'static str, text: &'static str| {
        view! { <li><a href=href aria-current=(href == current).then_some("page")>{text}</a></li> }
    };
    view! {
        <nav class="subnav" aria-label="Workbench">
            <ul>{item("/admin", "Overview")}{item("/admin/simulations", "Simulations")}</ul>
        </nav>
    }
}

/// Stored runs as a table, with all of its columns or with those that tell the story.
#[component]
fn RunsTable(runs: Vec<RunSnapshot>, caption: &'static str, full: bool) -> impl IntoView {
    if runs.is_empty() {
        return view! { <p class="quiet">"No simulation has run yet. The first one takes a second."</p> }.into_any();
    }
    let rows = runs
        .into_iter()
        .map(|run| view! { <RunRow run full/> })
        .collect_view();
    let numbers = full.then(|| {
        ["Buyers", "Stock", "Rejected", "Orders/s"]
            .map(|name| view! { <th scope="col" class="n">{name}</th> })
            .collect_view()
    });
    view! {
        <div class="table-wrap" role="region" aria-label=caption tabindex="0">
            <table class="table">
                <caption>{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Started"</th>
                        <th scope="col">"Verdict"</th>
                        <th scope="col">"Strategy"</th>
                        <th scope="col" class="n">"Sold"</th>
                        {numbers}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

#[component]
fn RunRow(run: RunSnapshot, full: bool) -> impl IntoView {
    let (class, word) = badge(&run);
    let number = |number: Option<String>| {
        let number = number.unwrap_or_else(|| "–".to_owned());
        view! { <td class="n">{number}</td> }
    };
    let verdict = run.verdict.as_ref();
    let numbers = full.then(|| {
        [
            Some(run.plan.buyers.to_string()),
            Some(run.stock.to_string()),
            verdict.map(|verdict| verdict.rejected.to_string()),
            verdict.map(|verdict| format!("{:.0}", verdict.orders_per_second)),
        ]
        .map(number)
        .collect_view()
    });
    view! {
        <tr>
            <th scope="row" class="tight">
                <a href=format!("/admin/simulations/{}", run.id)>{run.started_at.clone()}</a>
            </th>
            <td><span class=class>{word}</span></td>
            <td>{run.plan.strategy.as_str()}</td>
            {number(verdict.map(|verdict| verdict.sold.to_string()))}
            {numbers}
        </tr>
    }
}

fn badge(run: &RunSnapshot) -> (&'static str, String) {
    match (&run.verdict, run.state) {
        (Some(verdict), _) if verdict.oversold > 0 => {
            ("badge badge--bad", format!("Oversold {}", verdict.oversold))
        }
        (Some(verdict), _) if verdict.undersold > 0 => (
            "badge badge--bad",
            format!("Undersold {}", verdict.undersold),
        ),
        (Some(_), _) => ("badge badge--ok", "Oversold 0".to_owned()),
        (None, RunState::Failed) => ("badge badge--bad", "Failed".to_owned()),
        (None, _) => ("badge badge--low", "Running".to_owned()),
    }
}
