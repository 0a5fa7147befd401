//! The sections of the presentation page, each rendered from the current state of the run.

use leptos::prelude::*;

use crate::{
    model::{LanePresentation, Presentation, RunState},
    ui::{
        curves::{CurveKey, Curves},
        run_curves::{lane_style, presented_stock},
    },
};

/// Number of intervals in the table that replaces the chart.
const ROWS: u64 = 8;

/// Shows the name, the strategies, the buyers and the stock, and the state of the run.
pub fn head(run: &Presentation) -> impl IntoView + use<> {
    let names: Vec<_> = run.lanes.iter().map(LanePresentation::name).collect();
    let strategies = if names.len() > 3 {
        format!("{} strategies", names.len())
    } else {
        names.join("\u{a0}· ")
    };
    let stock = run.lanes.first().map_or(0, |lane| lane.stock);
    let product = match &run.product_name {
        Some(name) => format!(" of {name}"),
        None => String::new(),
    };
    let each = if names.len() > 1 { " per strategy" } else { "" };
    let (class, word) = match run.state {
        RunState::Finished => ("badge badge--ok", "Finished"),
        RunState::Failed => ("badge badge--bad", "Failed"),
        state if state.is_over() => ("badge badge--out", "Ended early"),
        _ => ("badge badge--low", "Running"),
    };
    view! {
        <header class="present__head">
            <div>
                <h1>{run.name.clone()}</h1>
                <p class="present__lead">{format!("{strategies}: {} buyers, {stock} units{product}{each}", run.buyers)}</p>
            </div>
            <p class="present__state">
                <span class=class data-testid="run-state">{word}</span>" "
                <span class="num">{seconds(run.lanes.iter().map(|lane| lane.last().elapsed_ms).max().unwrap_or_default())}</span>
            </p>
        </header>
    }
}

/// Shows the verdict tile. Screen readers announce it only when one of its numbers changes, not ten
/// times per second.
pub fn tile(run: RwSignal<Presentation>) -> impl IntoView {
    let numbers =
        Memo::new(move |_| run.with(|run| (run.oversold(), run.undersold(), run.state.is_over())));
    let lost = Memo::new(move |_| run.with(Presentation::lost_updates));
    let label = move || {
        if numbers.get().2 {
            "Oversold"
        } else {
            "Oversold so far"
        }
    };
    let lost_text = move || match lost.get() {
        0 => String::new(),
        1 => "Lost updates so far: 1 unit".to_owned(),
        units => format!("Lost updates so far: {units} units"),
    };
    let class = move || match numbers.get() {
        (0, Some(0), _) => "verdict verdict--ok present__tile",
        (0, None, _) => "verdict verdict--pending present__tile",
        _ => "verdict verdict--bad present__tile",
    };
    let undersold = move || match numbers.get() {
        (_, Some(undersold), _) => view! { {undersold} }.into_any(),
        (_, None, is_over) => {
            let word = if is_over {
                "not known"
            } else {
                "not known yet"
            };
            view! { <span aria-hidden="true">"–"</span><span class="vh">{word}</span> }.into_any()
        }
    };
    view! {
        <section class=class aria-label="Verdict" aria-live="polite" aria-atomic="true">
            <div class="verdict__pairs">
                <p class="verdict__pair">
                    <span class="verdict__label">{label}</span>" "
                    <span class=move || number_class(numbers.get().0) data-testid="oversold">{move || numbers.get().0}</span>
                </p>
                <p class="verdict__pair">
                    <span class="verdict__label">"Undersold"</span>" "
                    <span class=move || number_class(numbers.get().1.unwrap_or_default()) data-testid="undersold">{undersold}</span>
                </p>
            </div>
            // Not announced: it changes with each sample.
            <p class="verdict__text" aria-live="off" data-testid="lost">{lost_text}</p>
        </section>
    }
}

/// Returns the CSS class; a long number is shown smaller.
const fn number_class(units: i64) -> &'static str {
    if units >= 1_000 {
        "verdict__n verdict__n--long"
    } else {
        "verdict__n"
    }
}

/// Shows remaining, sold and rejected or failed: three large figures for one lane, a table for
/// several.
pub fn figures(run: &Presentation) -> AnyView {
    if let [lane] = run.lanes.as_slice() {
        let last = lane.last();
        return view! {
            <dl class="present__figures">
                <div><dt>"Stock remaining"</dt><dd data-testid="remaining">{last.remaining}</dd></div>
                <div><dt>"Sold"</dt><dd data-testid="sold">{last.sold}</dd></div>
                <div><dt>"Rejected or failed"</dt><dd data-testid="rejected">{last.unsuccessful}</dd></div>
            </dl>
        }
        .into_any();
    }
    let rows = run.lanes.iter().map(lane_row);
    view! {
        <div class="table-wrap present__lanes" role="region" aria-label="Lanes" tabindex="0">
            <table class="table">
                <thead>
                    <tr>
                        <th scope="col">"Strategy"</th>
                        <th scope="col" class="n">"Remaining"</th>
                        <th scope="col" class="n">"Sold"</th>
                        <th scope="col" class="n"><span class="present__long">"Rejected or failed"</span><span class="present__short">"No order"</span></th>
                        <th scope="col" class="n">"Oversold"</th>
                    </tr>
                </thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn lane_row(lane: &LanePresentation) -> impl IntoView + use<> {
    let last = lane.last();
    let oversold = lane.oversold();
    let class = if oversold > 0 { "n present__lost" } else { "n" };
    view! {
        <tr>
            <th scope="row"><CurveKey curve_style=lane_style(lane.strategy, lane.writers)/>{lane.name()}</th>
            <td class="n">{last.remaining}</td>
            <td class="n">{last.sold}</td>
            <td class="n">{last.unsuccessful}</td>
            <td class=class>{oversold}</td>
        </tr>
    }
}

/// Shows the chart: the remaining stock over time.
pub fn chart(run: &Presentation) -> impl IntoView + use<> {
    let curves: Vec<_> = run.lanes.iter().map(presented_stock).collect();
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
    let marks: Vec<f64> = run.lanes.iter().map(|lane| lane.stock as f64).collect();
    let ends: Vec<String> = run
        .lanes
        .iter()
        .map(|lane| {
            format!(
                "{}: {} of {} remaining",
                lane.name(),
                lane.last().remaining,
                lane.stock
            )
        })
        .collect();
    let label = format!("Stock remaining over time. {}", ends.join(". "));
    view! {
        <figure class="present__chart">
            <figcaption>"Stock remaining"</figcaption>
            <Curves curves label marks/>
        </figure>
    }
}

/// Shows the remaining stock over time as a table.
pub fn table(run: &Presentation) -> impl IntoView + use<> {
    let span_ms = run
        .lanes
        .iter()
        .map(|lane| lane.last().elapsed_ms)
        .max()
        .unwrap_or_default();
    let heads = run
        .lanes
        .iter()
        .map(|lane| view! { <th scope="col" class="n">{lane.name()}</th> });
    let heads = heads.collect_view();
    let rows = (0..=ROWS).map(|row| {
        let at_ms = span_ms * row / ROWS;
        let cells = run
            .lanes
            .iter()
            .map(|lane| view! { <td class="n">{remaining_at(lane, at_ms)}</td> });
        view! { <tr><th scope="row" class="n">{seconds(at_ms)}</th>{cells.collect_view()}</tr> }
    });
    view! {
        <div class="table-wrap present__table" role="region" aria-label="Stock remaining over time" tabindex="0">
            <table class="table">
                <caption>"Stock remaining"</caption>
                <thead><tr><th scope="col" class="n">"Time"</th>{heads}</tr></thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </div>
    }
}

/// Returns the remaining stock at the last point up to `at_ms`.
fn remaining_at(lane: &LanePresentation, at_ms: u64) -> i64 {
    let before = lane
        .moments
        .iter()
        .take_while(|moment| moment.elapsed_ms <= at_ms);
    before.last().map_or(lane.stock, |moment| moment.remaining)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a run")]
fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}
