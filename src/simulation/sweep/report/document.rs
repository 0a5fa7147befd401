//! The HTML report: the verdict, the parameters, and the figures.

use leptos::prelude::*;

use super::{crossovers, heat_map, line_chart, number, tables};
use crate::simulation::{document::Document, sweep::Sweep};

const STYLE: &str = include_str!("report.css");

/// Renders the whole file.
pub fn html(sweep: &Sweep) -> String {
    let document = Document {
        title: format!("Strategy sweep, {}", sweep.machine.began_in_utc()),
        heading: "Strategy sweep".to_owned(),
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
        {explanation(sweep)}
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
        sweep.machine.began_in_utc()
    )
}

/// Renders the verdict on correctness, which comes before all speeds.
fn verdict(sweep: &Sweep) -> AnyView {
    let broken: Vec<String> = sweep
        .broken_cells()
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
                <h2>"A safe strategy violated an invariant"</h2>
                <ul>{items.collect_view()}</ul>
            </section>
        }
        .into_any();
    }
    let safe = sweep.cells.iter().filter(|cell| cell.safe).count();
    let oversold: i64 = sweep.cells.iter().map(|cell| cell.oversold).sum();
    let unsafe_too = sweep.cells.len() > safe;
    let (heading, text) = if safe == 0 {
        (
            "Only unsafe strategies ran",
            "Expected: these strategies are broken on purpose.".to_owned(),
        )
    } else {
        (
            "No safe cell oversold or undersold",
            format!(
                "In each of {safe} safe cells, stock and order lines agreed in all repeats ({}).",
                sweep.plan.repeat
            ),
        )
    };
    let exhibits = (safe > 0 && unsafe_too).then(|| {
        let oversold = match oversold {
            0 => "are broken on purpose".to_owned(),
            oversold => format!("oversold {} units", number::units(oversold)),
        };
        view! { <p>{format!("The unsafe strategies, marked ⚠, {oversold}.")}</p> }
    });
    view! {
        <section class="verdict verdict--ok">
            <h2>{heading}</h2>
            <p>{text}</p>
            {exhibits}
        </section>
    }
    .into_any()
}

fn pool(sweep: &Sweep) -> String {
    let size = sweep.machine.pool_size;
    match sweep.plan.own_servers {
        0 => format!("{size} transactions"),
        1 => format!("{size} transactions on 1 server"),
        servers => format!("{size} transactions on each of {servers} servers"),
    }
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
            "Database",
            format!("{}, fsync {}", machine.database, machine.fsync),
        ),
        ("Pool", pool(sweep)),
        ("Doorbuster", machine.version.clone()),
        ("Seed", plan.seed.to_string()),
        ("Stock", list(&plan.stocks)),
        ("Quantity", plan.quantity.to_string()),
        ("Attempts per buyer", plan.rounds.to_string()),
        ("Race window", format!("{} ms", plan.race_window_ms)),
        ("Repeats", format!("{}, interleaved", plan.repeat)),
        ("Started", machine.began_in_utc()),
    ];
    let facts = facts.map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> });
    view! {
        <section class="facts" aria-label="Parameters of the sweep">
            <dl>{facts.into_iter().collect_view()}</dl>
        </section>
    }
}

/// Renders heat map and line chart for each stock.
fn speed(sweep: &Sweep) -> impl IntoView + use<> {
    let scale = heat_map::ShadeScale::of(&sweep.cells);
    let stocks = sweep.plan.stocks.iter().map(|&stock| {
        let title = format!(
            "Orders per second, {} in stock",
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

fn explanation(sweep: &Sweep) -> impl IntoView + use<> {
    let plan = &sweep.plan;
    let join = |values: &[u32]| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        values.join(",")
    };
    let strategies: Vec<&str> = plan.strategies.iter().map(|key| key.as_str()).collect();
    let servers = match plan.own_servers {
        0 => String::new(),
        servers => format!(" --servers {servers}"),
    };
    let command = format!(
        "doorbuster sweep --strategies {} --buyers {} --stock {} --repeat {} --quantity {} --rounds {} --seed {} --race-window-ms {}{servers} --out FOLDER",
        strategies.join(","),
        join(&plan.buyers),
        join(&plan.stocks),
        plan.repeat,
        plan.quantity,
        plan.rounds,
        plan.seed,
        plan.race_window_ms
    );
    let (buyers, retries) = match plan.own_servers {
        0 => (
            "Each buyer is a task that calls the shop's own purchase code.",
            "A retry is a repeated transaction within one attempt.",
        ),
        _ => (
            "Each buyer sends its requests over HTTP to one of the servers that the run has started on this machine.",
            "A retry is a repeated request within one attempt; a server does not report its own retries and fallbacks.",
        ),
    };
    view! {
        <section class="reading">
            <h2>"How to read this"</h2>
            <ul>
                <li>{buyers}" All buyers of a run start at the same time. Orders per second are the \
                successful purchases divided by the time from the start signal to the last response, rejections included."</li>
                <li>"A figure is the median over the repeats; the range next to it goes from the slowest to the fastest. Each repeat ran the cells in a new \
                random order, so that a machine that speeds up or slows down favours no strategy."</li>
                <li>"Two strategies differ if every repeat of one is faster than every repeat of the other, and if chance alone would separate so many \
                repeats in at most 1 of 20 cases (rank-sum test): at least four repeats each. Otherwise these runs can show no difference."</li>
                <li>"A figure in italics with ~ comes from runs shorter than 100 ms. It measures the start more than \
                     the strategy. Use more attempts per buyer for longer runs."</li>
                <li>{retries}" Oversold and undersold come from the order lines in the database, not from \
                the buyers. Counts agree if each success has an order and the stock row shows the same numbers."</li>
            </ul>
            <h3>"Run it again"</h3>
            <pre tabindex="0"><code>{command}</code></pre>
        </section>
    }
}
