//! The charts of a run as one self-contained SVG image. It always uses the light palette, because
//! it is meant for papers and slides.

use leptos::prelude::*;

use crate::{
    model::{LaneSnapshot, RunSnapshot, StrategyKey},
    ui::{
        curves::{Frame, drawing},
        run_curves::{METRICS, lane_style},
    },
};

const STYLE: &str = include_str!("picture.css");
const MARGIN: f64 = 40.0;
const HEAD_HEIGHT: f64 = 110.0;
const LEGEND_HEIGHT: f64 = 30.0;
const TITLE_HEIGHT: f64 = 34.0;

/// Renders the SVG file. It states its own size, so a browser can show it without a page.
pub fn svg(run: &RunSnapshot) -> String {
    let (chart_width, chart_height, ..) = Frame::Wide.size();
    let width = chart_width + 2.0 * MARGIN;
    let lanes = run.lanes.iter().map(|_| LEGEND_HEIGHT).sum::<f64>();
    let charts_top = HEAD_HEIGHT + lanes + MARGIN / 2.0;
    let step = chart_height + TITLE_HEIGHT;
    let charts = METRICS.iter().zip(0_u8..).map(|(metric, index)| {
        let curve =
            |lane: &LaneSnapshot| metric.curve(lane_style(lane.strategy, lane.writers), lane);
        let curves: Vec<_> = run.lanes.iter().map(curve).collect();
        let marks = if metric.marks_stock { stocks(run) } else { Vec::new() };
        let top = charts_top + step * f64::from(index);
        view! {
            <g transform=format!("translate({MARGIN} {top})")>
                <text class="title" x="0" y="18">{metric.title}</text>
                <g transform=format!("translate(0 {TITLE_HEIGHT})")>{drawing(&curves, &marks, Frame::Wide)}</g>
            </g>
        }
    });
    let charts = charts.collect_view();
    let height = METRICS.iter().map(|_| step).sum::<f64>() + charts_top + MARGIN / 2.0;
    let picture = view! {
        <svg xmlns="http://www.w3.org/2000/svg" width=width height=height viewBox=format!("0 0 {width} {height}")>
            <style>{format!("{STYLE}{}", StrategyKey::light_line_rules())}</style>
            <rect class="paper" width=width height=height></rect>
            <rect class="band" width=width height="12"></rect>
            <rect class="ticket" y="12" width=width height="4"></rect>
            <text class="heading" x=MARGIN y="62">{heading(run)}</text>
            <text class="lead" x=MARGIN y="90">{lead(run)}</text>
            {legend(run)}
            {charts}
        </svg>
    };
    // Leptos marks the start of children with `<!>`, which is valid in HTML but not in XML. Text
    // cannot contain this marker, because it is escaped.
    picture.to_html().replace("<!>", "")
}

fn stocks(run: &RunSnapshot) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "units are far below 2^52")]
    let stocks = run.lanes.iter().map(|lane| lane.stock as f64);
    stocks.collect()
}

fn heading(run: &RunSnapshot) -> String {
    let verdicts: Option<Vec<_>> = run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    match verdicts {
        Some(verdicts) => {
            let oversold: i64 = verdicts.iter().map(|verdict| verdict.oversold).sum();
            let undersold: Option<i64> = verdicts
                .iter()
                .map(|verdict| verdict.known_undersold())
                .sum();
            let undersold = undersold.map_or_else(
                || "not known (the run was cut off)".to_owned(),
                |undersold| undersold.to_string(),
            );
            format!("Oversold {oversold} · Undersold {undersold}")
        }
        None => "No verdict yet".to_owned(),
    }
}

fn lead(run: &RunSnapshot) -> String {
    format!(
        "{}: {} buyers per lane, seed {}, started {}",
        run.name,
        run.plan.buyers,
        run.plan.seed,
        run.started_in_utc()
    )
}

/// Renders one legend line per lane: its line style and its result.
fn legend(run: &RunSnapshot) -> impl IntoView + use<> {
    let lines = run.lanes.iter().scan(HEAD_HEIGHT, |top, lane| {
        let y = *top;
        *top += LEGEND_HEIGHT;
        let class = lane_style(lane.strategy, lane.writers).class();
        Some(view! {
            <line class=class x1=MARGIN x2=MARGIN + 40.0 y1=y + 8.0 y2=y + 8.0></line>
            <text class="lane" x=MARGIN + 52.0 y=y + 13.0>{result_text(lane)}</text>
        })
    });
    lines.collect_view()
}

fn result_text(lane: &LaneSnapshot) -> String {
    let Some(verdict) = &lane.verdict else {
        return lane.name();
    };
    if verdict.counted_afterwards {
        return format!(
            "{}: {} of {} sold, {} oversold, cut off",
            lane.name(),
            verdict.sold,
            verdict.stock,
            verdict.oversold
        );
    }
    format!(
        "{}: {} of {} sold, {} oversold, {} undersold, {:.0} orders/s, p99 {:.1} ms",
        lane.name(),
        verdict.sold,
        verdict.stock,
        verdict.oversold,
        verdict.undersold,
        verdict.orders_per_second,
        verdict.latency_ms.p99
    )
}
