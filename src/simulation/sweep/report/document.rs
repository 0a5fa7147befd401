//! The page: what was run, whether it sold right, and then the figures.

use leptos::prelude::*;

use super::{crossovers, heat_map, line_chart, number, tables};
use crate::simulation::{document::Document, sweep::Sweep};

const STYLE: &str = include_str!("report.css");

/// The whole file.
pub fn html(sweep: &Sweep) -> String {
    let document = Document {
        title: format!("Strategy sweep, {}", sweep.machine.began_at),
        heading: "Strategy sweep",
        lead: lead(sweep),
        style: STYLE,
        script: None,
    };
    document.html(view! {
        {verdict(sweep)}
        {facts(sweep)}
        {speed(sweep)}
        {crossovers::section(sweep)}
        {tables::section(sweep)}
        {reading(sweep)}
    })
}

fn lead(sweep: &Sweep) -> String {
    let plan = &sweep.plan;
    format!(
        "{} strategies, {} to {} buyers, {} runs on {}",
        plan.strategies.len(),
        plan.buyers.first().copied().unwrap_or_default(),
        number::grouped(plan.buyers.last().copied().unwrap_or_default().into()),
        sweep.runs.len(),
        sweep.machine.began_at
    )
}

/// The one sentence that matters more than any speed.
fn verdict(sweep: &Sweep) -> AnyView {
    let broken: Vec<String> = sweep
        .broken()
        .map(|cell| {
            format!(
                "{}, {} buyers, {} in stock: {} oversold, {} undersold, {} failed",
                cell.strategy, cell.buyers, cell.stock, cell.oversold, cell.undersold, cell.failed
            )
        })
        .collect();
    if !broken.is_empty() {
        let items = broken.into_iter().map(|text| view! { <li>{text}</li> });
        return view! {
            <section class="verdict verdict--bad">
                <h2>"A safe strategy broke an invariant"</h2>
                <ul>{items.collect_view()}</ul>
            </section>
        }
        .into_any();
    }
    let safe = sweep.cells.iter().filter(|cell| cell.safe).count();
    let lost: i64 = sweep.cells.iter().map(|cell| cell.oversold).sum();
    let unsafe_too = sweep.cells.len() > safe;
    let (word, text) = if safe == 0 {
        (
            "Only unsafe strategies ran",
            "They are exhibits: nothing is promised of them.".to_owned(),
        )
    } else {
        (
            "No safe cell oversold or undersold",
            format!(
                "Each of {safe} safe cells sold exactly what its orders say, in every one of {} repeats.",
                sweep.plan.repeat
            ),
        )
    };
    let exhibits = (safe > 0 && unsafe_too).then(|| {
        let lost = match lost {
            0 => "are exhibits: nothing is promised of them".to_owned(),
            lost => format!("sold {} units that were not there", number::units(lost)),
        };
        view! { <p>{format!("The unsafe strategies, marked ⚠, {lost}.")}</p> }
    });
    view! {
        <section class="verdict verdict--ok">
            <h2>{word}</h2>
            <p>{text}</p>
            {exhibits}
        </section>
    }
    .into_any()
}

fn facts(sweep: &Sweep) -> impl IntoView + use<> {
    let (machine, plan) = (&sweep.machine, &sweep.plan);
    let list = |values: &[u32]| {
        let values: Vec<String> = values
            .iter()
            .map(|value| number::grouped((*value).into()))
            .collect();
        values.join(", ")
    };
    let facts = [
        ("Cores", machine.cores.to_string()),
        ("System", machine.system.clone()),
        (
            "PostgreSQL",
            format!("{}, fsync {}", machine.postgresql, machine.fsync),
        ),
        ("Pool", format!("{} transactions", machine.pool_size)),
        ("Doorbuster", machine.version.clone()),
        ("Seed", plan.seed.to_string()),
        ("Stock", list(&plan.stocks)),
        ("Quantity", plan.quantity.to_string()),
        ("Rounds", plan.rounds.to_string()),
        ("Race window", format!("{} ms", plan.race_window_ms)),
        ("Repeats", format!("{}, interleaved", plan.repeat)),
        ("Began", machine.began_at.clone()),
    ];
    let facts = facts.map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> });
    view! {
        <section class="facts" aria-label="What was run">
            <dl>{facts.into_iter().collect_view()}</dl>
        </section>
    }
}

/// Heat map and lines of each stock.
fn speed(sweep: &Sweep) -> impl IntoView + use<> {
    let scale = heat_map::Scale::of(&sweep.cells);
    let stocks = sweep.plan.stocks.iter().map(|&stock| {
        let title = format!(
            "Orders a second, {} in stock",
            number::grouped(stock.into())
        );
        view! {
            <section class="panel">
                <h2>{title}</h2>
                <div class="pair">
                    {heat_map::table(sweep, stock, &scale)}
                    {line_chart::figure(sweep, stock)}
                </div>
            </section>
        }
    });
    stocks.collect_view()
}

fn reading(sweep: &Sweep) -> impl IntoView + use<> {
    let plan = &sweep.plan;
    let join = |values: &[u32]| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        values.join(",")
    };
    let strategies: Vec<&str> = plan.strategies.iter().map(|key| key.as_str()).collect();
    let command = format!(
        "doorbuster sweep --strategies {} --buyers {} --stock {} --repeat {} --quantity {} --rounds {} --seed {} --race-window-ms {} --out FOLDER",
        strategies.join(","),
        join(&plan.buyers),
        join(&plan.stocks),
        plan.repeat,
        plan.quantity,
        plan.rounds,
        plan.seed,
        plan.race_window_ms
    );
    view! {
        <section class="reading">
            <h2>"How to read this"</h2>
            <ul>
                <li>"Each buyer is a task that calls the shop's own purchase code; all of a run start at once. Orders a second are the purchases that \
                succeeded, divided by the time from the start signal to the last answer, refusals included."</li>
                <li>"A figure is the median over the repeats; the range beside it goes from the slowest to the fastest. The cells of a repeat ran in an order of \
                their own, so that a machine that warms up or slows down favours none."</li>
                <li>"A figure in italics with ~ comes from runs under 100 ms: it tells more about the start than about the strategy. More rounds make it longer."</li>
                <li>"A retry is a try beyond the first within one attempt. Oversold and undersold come from the order lines in the database, not from \
                the buyers; counts agree when each success is an order, and the stock row says the same."</li>
            </ul>
            <h3>"Again"</h3>
            <pre tabindex="0"><code>{command}</code></pre>
        </section>
    }
}
