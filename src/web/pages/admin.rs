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

/// Stored runs as a table.
#[component]
fn RunsTable(runs: Vec<RunSnapshot>, caption: &'static str) -> impl IntoView {
    let rows = runs
        .into_iter()
        .map(|run| view! { <RunRow run/> })
        .collect_view();
    view! {
        <div class="table-wrap" role="region" aria-label=caption tabindex="0">
            <table class="table">
                <caption>{caption}</caption>
                <thead>
                    <tr>
                        <th scope="col">"Started"</th>
                        <th scope="col">"Verdict"</th>
                        <th scope="col">"Strategy"</th>
                        <th scope="col" class="n">"Buyers"</th>
                        <th scope="col" class="n">"Stock"</th>
                        <th scope="col" class="n">"Sold"</th>
                        <th scope="col" class="n">"Rejected"</th>
                        <th scope="col" class="n">"Orders/s"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}

#[component]
fn RunRow(run: RunSnapshot) -> impl IntoView {
    let (class, word) = match (&run.verdict, run.state) {
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
    };
    let number = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
    let verdict = run.verdict.as_ref();
    view! {
        <tr>
            <th scope="row" class="tight"><a href=format!("/admin/simulations/{}", run.id)>{run.started_at.clone()}</a></th>
            <td><span class=class>{word}</span></td>
            <td>{run.plan.strategy.as_str()}</td>
            <td class="n">{run.plan.buyers}</td>
            <td class="n">{run.stock}</td>
            <td class="n">{number(verdict.map(|verdict| verdict.sold.to_string()))}</td>
            <td class="n">{number(verdict.map(|verdict| verdict.rejected.to_string()))}</td>
            <td class="n">{number(verdict.map(|verdict| format!("{:.0}", verdict.orders_per_second)))}</td>
        </tr>
    }
}
