//! The waterfall of a lane's first attempts, one row each: when the attempt started, what it waited
//! for, and when it ended.

mod layout;
mod outcome_mark;
mod pattern;

use leptos::prelude::*;

use self::{
    layout::WaterfallLayout,
    outcome_mark::outcome_mark,
    pattern::{fill_url, pattern},
};
use crate::model::waterfall::{AttemptOutcome, Part, Precision, Row, Waterfall};

/// Defines the patterns. A page includes them once; all its waterfalls share them.
#[component]
pub fn Patterns() -> impl IntoView {
    let patterns = Part::ALL.map(|part| {
        let (id, texture) = pattern(part);
        view! {
            <pattern id=id width="6" height="6" patternUnits="userSpaceOnUse">
                <rect class=format!("{id}__ground") width="6" height="6"></rect>
                <path class="fall__texture" d=texture></path>
            </pattern>
        }
    });
    view! {
        <svg class="vh" width="1" height="1" aria-hidden="true" focusable="false">
            <defs>{patterns.collect_view()}</defs>
        </svg>
    }
}

/// Shows the meaning of the patterns and marks.
#[component]
pub fn Legend() -> impl IntoView {
    let parts = Part::ALL.map(|part| {
        view! {
            <li>
                <svg class="fall__key" viewBox="0 0 28 14" aria-hidden="true" focusable="false">
                    <rect class="fall" x="0.5" y="1.5" width="27" height="11" fill=fill_url(part)></rect>
                </svg>
                {part.name()}
            </li>
        }
    });
    let outcomes = [AttemptOutcome::Bought, AttemptOutcome::Rejected, AttemptOutcome::Failed].map(|outcome| {
        view! {
            <li>
                <svg class="fall__key fall__key--mark" viewBox="0 0 14 14" aria-hidden="true" focusable="false">
                    {outcome_mark(outcome, 7.0, 7.0)}
                </svg>
                {outcome.name()}
            </li>
        }
    });
    view! {
        <ul class="chart__legend" aria-label="Waterfall legend">
            {parts.collect_view()}
            {outcomes.collect_view()}
        </ul>
    }
}

/// Draws the waterfall.
#[component]
pub fn WaterfallChart(
    waterfall: Waterfall,
    /// The index of this waterfall on the page.
    index: usize,
) -> impl IntoView {
    if waterfall.rows.is_empty() {
        return view! { <p class="quiet">"No attempts recorded."</p> }.into_any();
    }
    let layout = WaterfallLayout::of(&waterfall);
    let (title, description) = (
        format!("falls-title-{index}"),
        format!("falls-desc-{index}"),
    );
    let rows = waterfall.rows.iter().enumerate();
    let rows = rows.map(|(at, row)| layout.row(at, row)).collect_view();
    view! {
        <svg class="plot falls" viewBox=format!("0 0 760 {}", layout.height()) role="img"
            aria-labelledby=format!("{title} {description}")>
            <title id=title.clone()>"Time spent by the first buyers, one row each"</title>
            <desc id=description.clone()>{describe(&waterfall)}</desc>
            <text class="plot__title" x="4" y="22">"Buyer"</text>
            {layout.grid()}
            {rows}
        </svg>
    }
    .into_any()
}

/// Explains how the rows were measured.
pub fn note(precision: Precision) -> &'static str {
    match precision {
        Precision::Moments => {
            "Each part is drawn where it was measured. A thin line is time outside of them: a pause before a retry, a queue in the \
             server’s memory, the round trip to the payment provider."
        }
        Precision::Sums => {
            "Some attempts shared a transaction with others. For these, only the length of each part is known, and the parts are drawn in \
             their usual order."
        }
        Precision::Whole => "The buyers used other servers: only the total response time is known.",
    }
}

/// Describes the waterfall by its averages, for screen readers.
fn describe(waterfall: &Waterfall) -> String {
    let rows = &waterfall.rows;
    #[expect(clippy::cast_precision_loss, reason = "a few dozen rows")]
    let mean = |part: Part| {
        let all: f64 = rows.iter().map(|row| row.spent_ms(part)).sum();
        all / rows.len().max(1) as f64
    };
    let parts: Vec<_> = Part::ALL
        .iter()
        .map(|part| format!("{} {:.1} ms", part.name().to_lowercase(), mean(*part)))
        .collect();
    format!("{} attempts. On average: {}.", rows.len(), parts.join(", "))
}

/// Shows the table of attempts; the children are its rows.
#[component]
pub fn WaterfallTable(caption: String, children: Children) -> impl IntoView {
    view! {
        <div class="table-wrap" tabindex="0" role="region" aria-label=caption.clone()>
            <table class="table">
                <caption>{caption.clone()}</caption>
                <thead>
                    <tr>
                        <th scope="col" class="n">"Buyer"</th>
                        <th scope="col" class="n">"Attempt"</th>
                        <th scope="col" class="n">"Start (ms)"</th>
                        <th scope="col" class="n">"Connection (ms)"</th>
                        <th scope="col" class="n">"Lock (ms)"</th>
                        <th scope="col" class="n">"Execute (ms)"</th>
                        <th scope="col" class="n">"Commit (ms)"</th>
                        <th scope="col" class="n">"Other (ms)"</th>
                        <th scope="col" class="n">"Total (ms)"</th>
                        <th scope="col">"Outcome"</th>
                        <th scope="col" class="n">"Retries"</th>
                    </tr>
                </thead>
                <tbody>{children()}</tbody>
            </table>
        </div>
    }
}

/// Shows the attempts as table rows.
#[component]
pub fn WaterfallRows(waterfall: Waterfall) -> impl IntoView {
    let rows = waterfall.rows.into_iter().map(|row| {
        let parts = Part::ALL.map(|part| view! { <td class="n">{part_ms(&row, part)}</td> });
        view! {
            <tr>
                <th scope="row" class="n">{row.buyer + 1}</th>
                <td class="n">{row.round + 1}</td>
                <td class="n">{format!("{:.1}", row.start_ms)}</td>
                {parts.collect_view()}
                <td class="n">{unattributed_ms(&row)}</td>
                <td class="n">{format!("{:.1}", row.latency_ms)}</td>
                <td>{row.outcome.name()}</td>
                <td class="n">{row.retries}</td>
            </tr>
        }
    });
    rows.collect_view()
}

fn part_ms(row: &Row, part: Part) -> String {
    match row.precision {
        Precision::Whole => "–".to_owned(),
        _ => format!("{:.1}", row.spent_ms(part)),
    }
}

fn unattributed_ms(row: &Row) -> String {
    match row.precision {
        Precision::Whole => "–".to_owned(),
        _ => format!("{:.1}", row.unattributed_ms()),
    }
}
