//! The admin pages. `admin_access::require_admin` restricts all of them except the sign-in page to
//! the administrator.

mod audit_tile;
mod certificate;
mod compare;
mod discounts;
mod events;
mod export_panel;
mod gate_details;
mod gates;
mod health;
mod lessons;
mod login;
mod order;
mod overview;
mod picture;
mod plan_form;
mod product;
mod products;
mod queue;
mod redis_page;
mod run_label;
mod run_list;
mod run_locks;
mod samples;
mod simulation_run;
mod simulations;
mod stepper;
mod stepper_session;
mod stock;
mod story_head;
mod strategy;

pub use certificate::CertificatePage;
pub use compare::ComparePage;
pub use discounts::DiscountsPage;
pub use events::EventsPage;
pub use gate_details::GatePage;
pub use gates::GatesPage;
pub use health::{GuidePage, HealthPage};
pub use lessons::LessonsPage;
pub use login::LoginPage;
pub use order::AdminOrderPage;
pub use overview::OverviewPage;
pub use product::ProductSalePage;
pub use products::ProductsPage;
pub use queue::QueuePage;
pub use run_list::RunsPage;
pub use run_locks::RunLocksPage;
pub use samples::SamplesPage;
pub use simulation_run::SimulationRunPage;
pub use simulations::SimulationsPage;
pub use stepper::StepperPage;
pub use stepper_session::StepperSessionPage;
pub use stock::StockPage;
pub use strategy::StrategyPage;

use leptos::prelude::*;

use crate::{
    model::{RunSnapshot, RunState, SimulationPlan},
    shop::stock::StockLevel,
    simulation::store::{ListedRun, UnreadableRun},
    ui::data_table::{
        ColumnHead::{Number, Text},
        DataTable,
    },
    web::{AppState, addresses},
};

/// Width of a stock bar, in the units of its view box.
const BAR_WIDTH: i64 = 128;

/// The navigation of the admin pages.
#[component]
fn Subnav(
    /// Path of the section that the page belongs to; the navigation marks it as current.
    current: &'static str,
) -> impl IntoView {
    let item = |href: &'static str, text: &'static str| {
        view! { <li><a href=href aria-current=(href == current).then_some("page")>{text}</a></li> }
    };
    let has_redis = use_context::<AppState>().is_some_and(|state| state.shop.gate().is_some());
    view! {
        <nav class="subnav" aria-label="Admin">
            <ul>
                {item("/admin", "Overview")}
                {item("/admin/health", "Health")}
                {item("/admin/products", "Products")}
                {item("/admin/stock", "Stock")}
                {item("/admin/discounts", "Discounts")}
                {item("/admin/events", "Events")}
                {(has_redis || current == "/admin/redis").then(|| item("/admin/redis", "Redis"))}
                {(has_redis || current == "/admin/queue").then(|| item("/admin/queue", "Queue"))}
                {item("/admin/simulations", "Simulations")}
                {item("/admin/stepper", "Stepper")}
                {item("/admin/lessons", "Lessons")}
            </ul>
        </nav>
    }
}

/// Shows runs as a table, with all columns if `full`.
#[component]
fn RunsTable(runs: Vec<ListedRun>, caption: &'static str, full: bool) -> impl IntoView {
    if runs.is_empty() {
        return view! { <p class="panel">"No simulations yet. Start one to see its results here."</p> }.into_any();
    }
    let rows = runs
        .into_iter()
        .map(|run| match run {
            ListedRun::Readable(run) => view! { <RunRow run=*run full/> }.into_any(),
            ListedRun::Unreadable(run) => {
                let rest = if full { 7 } else { 3 };
                view! { <tr>{unreadable_cells(run, rest)}</tr> }.into_any()
            }
        })
        .collect_view();
    let mut heads = vec![
        Text("Run"),
        Text("Started"),
        Text("Verdict"),
        Text("Strategy"),
        Number("Sold"),
    ];
    if full {
        heads.extend(["Buyers", "Stock", "Rejected", "Orders/s"].map(Number));
    }
    view! { <DataTable caption heads>{rows}</DataTable> }.into_any()
}

#[component]
fn RunRow(run: RunSnapshot, full: bool) -> impl IntoView {
    let (class, word) = run_badge(&run);
    let number = |number: Option<String>| {
        let number = number.unwrap_or_else(|| "–".to_owned());
        view! { <td class="n">{number}</td> }
    };
    let verdicts: Vec<_> = run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    // Sums over all lanes; none while a lane has no verdict.
    let verdicts: Option<Vec<_>> = verdicts.into_iter().collect();
    let sold = verdicts.as_ref().map(|lanes| {
        let sold: i64 = lanes.iter().map(|verdict| verdict.sold).sum();
        sold.to_string()
    });
    let answered = verdicts
        .as_ref()
        .filter(|lanes| !lanes.iter().any(|verdict| verdict.counted_afterwards));
    let rejected = answered.map(|lanes| {
        let rejected: u64 = lanes.iter().map(|verdict| verdict.rejected).sum();
        rejected.to_string()
    });
    // The sum of several lanes' rates means nothing.
    let rate = match answered.map(Vec::as_slice) {
        Some([only]) => Some(format!("{:.0}", only.orders_per_second)),
        _ => None,
    };
    let numbers = full.then(|| {
        [
            Some(run.plan.buyers.to_string()),
            run.lanes.first().map(|lane| lane.stock.to_string()),
            rejected,
            rate,
        ]
        .map(number)
        .collect_view()
    });
    view! {
        <tr>
            <th scope="row"><a href=format!("/admin/simulations/{}", run.id)>{run.name.clone()}</a>{servers_of(&run.plan)}</th>
            <td class="tight">{run.started_in_utc()}</td>
            <td><span class=class>{word}</span></td>
            <td>{run.plan.strategy_names()}</td>
            {number(sold)}
            {numbers}
        </tr>
    }
}

/// Returns the cells of a run that cannot be read: its name, its start, and one that covers the
/// `rest` of the columns.
fn unreadable_cells(run: UnreadableRun, rest: usize) -> impl IntoView + use<> {
    view! {
        <th scope="row"><a href=format!("/admin/simulations/{}", run.id)>{run.name}</a></th>
        <td class="tight">{run.started_at}</td>
        <td colspan=rest.to_string()><span class="badge badge--out">"Cannot be read"</span></td>
    }
}

/// Names the servers of a run below its name, if it has any.
fn servers_of(plan: &SimulationPlan) -> Option<impl IntoView + use<>> {
    let servers = plan.on_servers()?;
    Some(view! { <span class="runs__note quiet">{servers}</span> })
}

/// Returns the badge of a run: its class and its text.
fn run_badge(run: &RunSnapshot) -> (&'static str, String) {
    let verdicts = run.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    let (oversold, undersold) = verdicts.fold((0, 0), |(over, under), verdict| {
        (over + verdict.oversold, under + verdict.undersold)
    });
    let bad = "badge badge--bad";
    match (run.passed, run.state) {
        (Some(_), RunState::Failed) if oversold > 0 => {
            (bad, format!("Cut off, oversold {oversold}"))
        }
        (Some(_), RunState::Failed) => (bad, "Cut off".to_owned()),
        (None, RunState::Failed) => (bad, "Failed".to_owned()),
        (None, state) if state.is_over() => ("badge badge--out", state.in_words().to_owned()),
        (None, state) => ("badge badge--low", state.in_words().to_owned()),
        (Some(true), _) => ("badge badge--ok", "Oversold 0".to_owned()),
        (Some(false), _) if oversold > 0 => (bad, format!("Oversold {oversold}")),
        (Some(false), _) if undersold > 0 => (bad, format!("Undersold {undersold}")),
        (Some(false), _) => (bad, "Not passed".to_owned()),
    }
}

#[component]
fn StockTable(levels: Vec<StockLevel>) -> impl IntoView {
    let rows = levels
        .into_iter()
        .map(|level| view! { <StockRow level/> })
        .collect_view();
    view! {
        <DataTable
            id="stock-table"
            caption="Stock by product"
            note="In the bar, green is sold, amber is reserved."
            heads=vec![
                Text("Product"),
                Number("Total"),
                Number("Available"),
                Number("Reserved"),
                Number("Sold"),
                Text("Sold and reserved"),
            ]
        >
            {rows}
        </DataTable>
    }
}

#[component]
fn StockRow(level: StockLevel) -> impl IntoView {
    let width = |units: i64| BAR_WIDTH * units / level.total.max(1);
    let (sold, reserved) = (width(level.sold), width(level.reserved));
    view! {
        <tr id=format!("stock-{}", level.id) class=(level.available <= 0).then_some("row--zero")>
            <th scope="row"><a href=addresses::product(&level.slug) dir="auto">{level.name.clone()}</a></th>
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
