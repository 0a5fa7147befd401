//! An HTML document that replays a run. It is self-contained and needs no server.

use leptos::prelude::*;
use serde_json::json;

use super::fields;
use crate::{
    model::{LaneSnapshot, RunSnapshot, Sample, Verdict},
    simulation::{
        comparison::parameter_name,
        document::{Document, Script},
    },
};

const STYLE: &str = include_str!("html/replay.css");
const SCRIPT: &str = include_str!("html/replay.js");

/// Renders the whole file. `exported_at` is a formatted time.
pub fn replay(run: &RunSnapshot, exported_at: &str) -> String {
    let document = Document {
        title: run.name.clone(),
        heading: run.name.clone(),
        lead: format!(
            "A flash sale, replayed: {}, {}. Started {}.",
            run.plan.buyers_in_words(),
            run.plan.strategy_names(),
            run.started_in_utc()
        ),
        style: STYLE,
        script: Some(Script {
            text: SCRIPT,
            data: data(run),
        }),
    };
    document.html(view! {
        {(!run.note.is_empty()).then(|| view! { <p class="note">{run.note.clone()}</p> })}
        {verdict(run)}
        {replay_section(run)}
        {figures(run)}
        {parameters(run)}
        <section class="reading">
            <p>{format!("Run {}, exported {exported_at} by Doorbuster {}.", run.id, env!("CARGO_PKG_VERSION"))}</p>
        </section>
    })
}

/// Serialises for each lane its line's class and its points: `[ms, remaining, succeeded,
/// unsuccessful, units sold]`.
fn data(run: &RunSnapshot) -> String {
    let each = run.plan.quantities.max().get();
    let point = |sample: &Sample| {
        json!([
            sample.elapsed_ms,
            sample.remaining,
            sample.succeeded,
            sample.unsuccessful(),
            sample.units_sold(each)
        ])
    };
    let lanes = run.lanes.iter().map(|lane| {
        json!({
            "name": lane.name(),
            "line": line(lane),
            "stock": lane.stock,
            "points": lane.samples.iter().map(point).collect::<Vec<_>>(),
        })
    });
    json!({ "lanes": lanes.collect::<Vec<_>>() }).to_string()
}

/// Returns the class of a lane's line.
fn line(lane: &LaneSnapshot) -> String {
    let thin = if lane.is_thin() {
        " lane-line--thin"
    } else {
        ""
    };
    format!("lane-line--{}{thin}", lane.strategy)
}

fn verdict(run: &RunSnapshot) -> impl IntoView + use<> {
    let (class, word) = match (run.passed, &run.failure) {
        (Some(_), Some(_)) => ("verdict verdict--bad", format!("Cut off. {}", broken(run))),
        (Some(true), _) => ("verdict verdict--ok", "Oversold 0 · Undersold 0".to_owned()),
        (Some(false), _) => ("verdict verdict--bad", broken(run)),
        (None, Some(_)) => ("verdict verdict--bad", "The run has no verdict".to_owned()),
        (None, None) => ("verdict", "No verdict".to_owned()),
    };
    let text = match (run.passed, &run.failure) {
        (Some(_), Some(why)) => format!(
            "The run was cut off: {why}. Its orders were counted in the database; buyers without an answer are not among them."
        ),
        (Some(true), _) => {
            "No unit was oversold, and no buyer was rejected while stock remained.".to_owned()
        }
        (Some(false), _) => {
            "Counted from the order lines in the database. See the figures below.".to_owned()
        }
        (None, Some(why)) => format!("The run failed: {why}."),
        (None, None) => "This file was exported before the run had a verdict.".to_owned(),
    };
    view! {
        <section class=class>
            <h2>{word}</h2>
            <p>{text}</p>
        </section>
    }
}

fn broken(run: &RunSnapshot) -> String {
    let verdicts = run.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    let sums = verdicts.fold((0, Some(0)), |(over, under), verdict| {
        let under: Option<i64> = under;
        let both = under.zip(verdict.known_undersold());
        (over + verdict.oversold, both.map(|(a, b)| a + b))
    });
    match sums {
        (0, Some(0)) => "Not passed".to_owned(),
        (over, Some(under)) => format!("Oversold {over} · Undersold {under}"),
        (over, None) => format!("Oversold {over} · Undersold not known"),
    }
}

/// The replay section. The script draws the charts and fills the cells.
fn replay_section(run: &RunSnapshot) -> impl IntoView + use<> {
    let rows = run.lanes.iter().map(|lane| {
        view! {
            <tr class=line(lane)>
                <th scope="row">
                    <svg class="key" viewBox="0 0 42 14" aria-hidden="true"><line class="curve" x1="2" y1="7" x2="40" y2="7"></line></svg>
                    {lane.name()}
                </th>
                <td class="n" data-figure="remaining"></td>
                <td class="n" data-figure="sold"></td>
                <td class="n" data-figure="unsuccessful"></td>
                <td class="n" data-figure="oversold"></td>
            </tr>
        }
    });
    let charts = [
        ("stock", "Stock remaining"),
        ("successes", "Successes per second"),
        ("unsuccessful", "Rejected or failed"),
    ]
    .map(|(id, title)| view! { <figure class="chart"><h3>{title}</h3><div id=format!("chart-{id}")></div></figure> });
    view! {
        <section class="panel replay" aria-labelledby="replay-title">
            <h2 id="replay-title">"Replay"</h2>
            <noscript><p class="quiet">"The replay needs JavaScript. The figures below work without it."</p></noscript>
            <div id="controls" class="controls" hidden>
                <button type="button" id="play">"Play"</button>
                <label class="seek"><span class="vh">"Moment"</span><input type="range" id="moment" min="0" step="1"/></label>
                <output id="clock" for="moment"></output>
                <label class="speed">"Speed "<select id="speed"></select></label>
                <p class="keys">
                    <kbd>"Space"</kbd>" plays or pauses, "<kbd>"←"</kbd>" "<kbd>"→"</kbd>" step, "<kbd>"Home"</kbd>" "<kbd>"End"</kbd>
                    " go to start and end, "<kbd>"+"</kbd>" "<kbd>"−"</kbd>" change the speed."
                </p>
            </div>
            <div class="scroll" role="region" aria-label="At this moment" tabindex="0">
                <table class="list" id="now" hidden>
                    <thead>
                        <tr>
                            <th scope="col">"At this moment"</th>
                            <th scope="col" class="n">"Remaining"</th>
                            <th scope="col" class="n">"Sold"</th>
                            <th scope="col" class="n">"Rejected or failed"</th>
                            <th scope="col" class="n">"Oversold"</th>
                        </tr>
                    </thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
            <div class="charts">{charts.into_iter().collect_view()}</div>
        </section>
    }
}

/// The verdict figures: one row for each figure, one column for each lane.
fn figures(run: &RunSnapshot) -> AnyView {
    let of_lanes = run.lanes.iter();
    let (names, judged): (Vec<String>, Vec<&Verdict>) = of_lanes
        .filter_map(|lane| Some((lane.name(), lane.verdict.as_ref()?)))
        .unzip();
    let Some(first) = judged.first() else {
        return view! { <section class="panel"><h2>"Figures"</h2><p class="quiet">"No lane has a verdict yet."</p></section> }.into_any();
    };
    let columns: Vec<_> = judged.iter().map(fields).collect();
    let figures = fields(first).into_iter();
    // The strategy is in the column's head; empty figures are left out.
    let figures = figures.filter(|(name, value)| name != "strategy" && !value.is_empty());
    let rows = figures.map(|(name, _)| {
        let cells = columns.iter().map(|column| {
            let cell = column.iter().find(|(other, _)| *other == name);
            let cell = cell.map(|(_, value)| value.clone());
            view! { <td class="n">{cell}</td> }
        });
        view! { <tr><th scope="row">{parameter_name(&name)}</th>{cells.collect_view()}</tr> }
    });
    let heads = names
        .into_iter()
        .map(|name| view! { <th scope="col" class="n">{name}</th> });
    view! {
        <section class="panel">
            <h2>"Figures"</h2>
            <div class="scroll" role="region" aria-label="Figures of each lane" tabindex="0">
                <table class="list">
                    <thead><tr><th scope="col">"Figure"</th>{heads.collect_view()}</tr></thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
        </section>
    }
    .into_any()
}

fn parameters(run: &RunSnapshot) -> impl IntoView + use<> {
    let facts = fields(&run.plan).into_iter().map(|(name, value)| {
        let value = if value.is_empty() {
            "–".to_owned()
        } else {
            value
        };
        view! { <div><dt>{parameter_name(&name)}</dt><dd>{value}</dd></div> }
    });
    view! {
        <section class="facts" aria-label="Parameters of the run">
            <dl>{facts.collect_view()}</dl>
        </section>
    }
}
