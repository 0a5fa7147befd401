//! The verdict tile of a run: Oversold · Undersold.

use leptos::prelude::*;

use super::chart::LaneKey;
use crate::model::{LaneSnapshot, RunSnapshot, RunState, StrategyKey, Verdict};

#[derive(Clone, PartialEq, Eq)]
struct TileText {
    class: &'static str,
    icon: &'static str,
    headline: String,
    text: String,
}

/// The content of the tile. While a run is running, it changes far less often than the run.
#[derive(Clone, PartialEq, Eq)]
pub struct Tile {
    text: TileText,
    oversold: i64,
    /// Known once every lane has a verdict.
    undersold: Option<i64>,
    /// True while buyers may still come.
    is_running: bool,
    /// The lanes, if there are several.
    lanes: Vec<TileLane>,
}

#[derive(Clone, PartialEq, Eq)]
struct TileLane {
    strategy: StrategyKey,
    oversold: i64,
    undersold: Option<i64>,
    /// Lost updates so far.
    lost: i64,
    failed: bool,
}

impl Tile {
    /// Creates the tile of `run`, whose attempts request at most `units_per_attempt` units.
    pub fn of(run: &RunSnapshot, units_per_attempt: u32) -> Self {
        let lanes = run.lanes.iter().map(|lane| TileLane {
            strategy: lane.strategy,
            oversold: oversold(lane, units_per_attempt),
            undersold: undersold(lane),
            lost: lane.lost_updates(units_per_attempt),
            failed: lane.verdict.as_ref().is_some_and(Verdict::has_failed),
        });
        Self {
            text: tile_text(run, units_per_attempt),
            is_running: !run.state.is_over(),
            oversold: run
                .lanes
                .iter()
                .map(|lane| oversold(lane, units_per_attempt))
                .sum(),
            undersold: run.lanes.iter().map(undersold).sum(),
            lanes: lanes.filter(|_| run.lanes.len() > 1).collect(),
        }
    }
}

/// Shows the verdict on a run, or that it is pending; for several lanes, also the result of each
/// lane.
#[component]
pub fn VerdictTile(tile: Tile) -> impl IntoView {
    let Tile {
        text,
        oversold,
        undersold,
        is_running,
        lanes,
    } = tile;
    let (oversold_label, unknown) = if is_running {
        ("Oversold so far", "not known yet")
    } else {
        ("Oversold", "not known")
    };
    let lanes = (!lanes.is_empty()).then(|| {
        let lanes = lanes.iter().map(lane_item).collect_view();
        view! { <ul class="verdict__lanes" aria-label="Verdict by lane">{lanes}</ul> }
    });
    view! {
        <section class=format!("verdict {}", text.class) aria-labelledby="verdict">
            <h2 class="verdict__word" id="verdict">
                <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=text.icon></path></svg>
                {text.headline}
            </h2>
            <div class="verdict__pairs">
                <p class="verdict__pair">
                    <span class="verdict__label">{oversold_label}</span>" "
                    <span class=number_class(oversold) data-testid="oversold">{oversold}</span>
                </p>
                <p class="verdict__pair">
                    <span class="verdict__label">"Undersold"</span>" "
                    {match undersold {
                        Some(undersold) => view! {
                            <span class=number_class(undersold) data-testid="undersold">{undersold}</span>
                        }.into_any(),
                        None => view! {
                            <span class="verdict__n" data-testid="undersold">
                                <span aria-hidden="true">"–"</span><span class="vh">{unknown}</span>
                            </span>
                        }.into_any(),
                    }}
                </p>
            </div>
            {lanes}
            <p class="verdict__text">{text.text}</p>
        </section>
    }
}

/// Shows the result of one of several lanes.
fn lane_item(lane: &TileLane) -> impl IntoView + use<> {
    let undersold = lane
        .undersold
        .map_or_else(|| "–".to_owned(), |units| units.to_string());
    let lost = (lane.lost > 0).then(|| {
        view! { " · lost updates so far, in units "<b data-testid="lane-lost">{lane.lost}</b> }
    });
    let class = if lane.failed {
        "verdict__lane verdict__lane--bad"
    } else {
        "verdict__lane"
    };
    view! {
        <li class=class>
            <span class="verdict__lane-key"><LaneKey strategy=lane.strategy/></span>
            <span class="verdict__lane-name">{lane.strategy.as_str()}</span>" "
            <span class="verdict__lane-n">
                "oversold "<b data-testid="lane-oversold">{lane.oversold}</b>
                " · undersold "<b data-testid="lane-undersold">{undersold}</b>
                {lost}
            </span>
        </li>
    }
}

/// Returns the units sold beyond the stock: counted by the database once the lane has a verdict,
/// until then derived from the buyers' responses.
fn oversold(lane: &LaneSnapshot, units_per_attempt: u32) -> i64 {
    let sold = i64::try_from(lane.last().units_sold(units_per_attempt)).unwrap_or(i64::MAX);
    lane.verdict
        .as_ref()
        .map_or_else(|| (sold - lane.stock).max(0), |verdict| verdict.oversold)
}

/// Returns the undersold units, once the lane has a verdict that knows them.
fn undersold(lane: &LaneSnapshot) -> Option<i64> {
    lane.verdict.as_ref().and_then(Verdict::known_undersold)
}

fn number_class(number: i64) -> &'static str {
    if number >= 1_000 {
        "verdict__n verdict__n--long"
    } else {
        "verdict__n"
    }
}

const CHECK: &str = "M4 13l5 5L20 6";
const WARNING: &str = "M12 3l10 18H2zM12 10v5M12 18v.01";
const CLOCK: &str = "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2";

fn tile_text(run: &RunSnapshot, units_per_attempt: u32) -> TileText {
    if let Some(reason) = &run.failure
        && run.lanes.iter().any(|lane| lane.verdict.is_some())
    {
        return cut_off_text(run, reason);
    }
    let verdicts: Option<Vec<_>> = run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    match verdicts.as_deref() {
        Some([verdict]) => single_lane_text(verdict),
        Some([_, ..]) => lanes_text(run),
        _ => pending_text(run, units_per_attempt),
    }
}

/// Returns the text for a run that was cut off, and whose orders were counted nevertheless.
fn cut_off_text(run: &RunSnapshot, reason: &str) -> TileText {
    let verdicts = || run.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    let oversold: i64 = verdicts().map(|verdict| verdict.oversold).sum();
    let orders: u64 = verdicts().map(|verdict| verdict.succeeded).sum();
    let has_failed = verdicts().any(Verdict::has_failed);
    let (class, icon) = if has_failed {
        ("verdict--bad", WARNING)
    } else {
        ("verdict--pending", CLOCK)
    };
    let headline = match (oversold, has_failed) {
        (0, false) => "Cut off, nothing oversold".to_owned(),
        (0, true) => "Cut off, orders and stock differ".to_owned(),
        (oversold, _) => format!("Cut off, oversold by {}", units(oversold)),
    };
    let text = format!(
        "The run was cut off: {reason}. {orders} of {} attempts have an order, counted in the database from the order lines.",
        run.plan.total_attempts()
    );
    TileText {
        class,
        icon,
        headline,
        text,
    }
}

/// Returns the text for a run of which a lane has no verdict.
fn pending_text(run: &RunSnapshot, units_per_attempt: u32) -> TileText {
    if run.state == RunState::Failed {
        return TileText {
            class: "verdict--bad",
            icon: WARNING,
            headline: "No verdict".to_owned(),
            text: match &run.failure {
                Some(failure) => format!("The run failed: {failure}."),
                None => "The run failed.".to_owned(),
            },
        };
    }
    if run.state.is_over() {
        return lanes_text(run);
    }
    let has_started = run.lanes.iter().any(|lane| !lane.samples.is_empty());
    TileText {
        class: "verdict--pending",
        icon: CLOCK,
        headline: if has_started { "Counting" } else { "Waiting" }.to_owned(),
        text: format!(
            "{}Preliminary, from the buyers’ responses. The database decides when the last buyer has finished.",
            lost_so_far(run, units_per_attempt)
        ),
    }
}

/// Says how far the counters are behind the sales: these units will be sold a second time.
fn lost_so_far(run: &RunSnapshot, units_per_attempt: u32) -> String {
    let lanes = run.lanes.iter();
    let lost: i64 = lanes.map(|lane| lane.lost_updates(units_per_attempt)).sum();
    match lost {
        0 => String::new(),
        lost => format!(
            "{} sold, but still in the counter: the shop will sell {} again. ",
            match lost {
                1 => "1 unit is".to_owned(),
                lost => format!("{lost} units are"),
            },
            if lost == 1 { "it" } else { "them" }
        ),
    }
}

/// Returns the text for several lanes. Some may have no verdict because the run ended early.
fn lanes_text(run: &RunSnapshot) -> TileText {
    let verdicts = || run.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    let counted = "Counted in the database, from each lane’s order lines.";
    let failures: Vec<_> = verdicts()
        .filter_map(|verdict| Some((verdict.strategy, failure(verdict, counted)?.0)))
        .collect();
    match failures.as_slice() {
        [] if verdicts().next().is_none() => TileText {
            class: "verdict--pending",
            icon: CLOCK,
            headline: "No verdict".to_owned(),
            text: "The run ended before any lane had a verdict.".to_owned(),
        },
        [] => TileText {
            class: "verdict--ok",
            icon: CHECK,
            headline: "Nothing oversold, nothing undersold".to_owned(),
            text: counted.to_owned(),
        },
        [(strategy, headline)] => TileText {
            class: "verdict--bad",
            icon: WARNING,
            headline: format!("{strategy}: {}", lower_first(headline)),
            text: counted.to_owned(),
        },
        several => TileText {
            class: "verdict--bad",
            icon: WARNING,
            headline: format!("{} of {} lanes failed", several.len(), run.lanes.len()),
            text: counted.to_owned(),
        },
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

fn single_lane_text(verdict: &Verdict) -> TileText {
    let counted = format!(
        "{} in stock, {} sold, {} rejected or failed. Counted in the database, from the order lines.",
        verdict.stock,
        verdict.sold,
        verdict.rejected + verdict.failed
    );
    match failure(verdict, &counted) {
        Some((headline, text)) => TileText {
            class: "verdict--bad",
            icon: WARNING,
            headline,
            text,
        },
        None => TileText {
            class: "verdict--ok",
            icon: CHECK,
            headline: if verdict.remaining == 0 {
                "Sold out, nothing oversold"
            } else {
                "Nothing oversold, nothing undersold"
            }
            .to_owned(),
            text: counted,
        },
    }
}

/// Returns what is wrong, if anything is: a headline and a sentence.
fn failure(verdict: &Verdict, counted: &str) -> Option<(String, String)> {
    if verdict.oversold > 0 {
        let text = format!(
            "{} in stock, {} sold: the shop confirmed orders for {} that do not exist.",
            verdict.stock,
            verdict.sold,
            units(verdict.oversold)
        );
        return Some((format!("Oversold by {}", units(verdict.oversold)), text));
    }
    if verdict.undersold > 0 {
        let headline = format!("Undersold by {}", units(verdict.undersold));
        return Some((headline, counted.to_owned()));
    }
    if !verdict.invariants_held() {
        let text = format!(
            "{} purchases were confirmed, but the order lines contain {} units.",
            verdict.succeeded, verdict.sold
        );
        return Some(("Confirmations and orders differ".to_owned(), text));
    }
    let missed = verdict
        .thresholds
        .iter()
        .find(|threshold| !threshold.held)?;
    let text = format!(
        "{}: limit {}, measured {:.1}. {counted}",
        missed.name, missed.limit, missed.measured
    );
    Some(("Threshold missed".to_owned(), text))
}

fn units(count: i64) -> String {
    match count {
        1 => "1 unit".to_owned(),
        count => format!("{count} units"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LatencyMs, Sample, SimulationPlan};

    fn lane(strategy: StrategyKey, sold: u64, remaining: i64) -> LaneSnapshot {
        LaneSnapshot {
            strategy,
            product_name: String::new(),
            stock: 400,
            samples: vec![Sample {
                remaining,
                succeeded: sold,
                ..Sample::default()
            }],
            latency_ms: LatencyMs::default(),
            verdict: None,
        }
    }

    fn run(state: RunState, lanes: Vec<LaneSnapshot>) -> RunSnapshot {
        RunSnapshot {
            id: String::new(),
            state,
            plan: SimulationPlan {
                buyers: 400,
                ..SimulationPlan::preset()
            },
            started_at: String::new(),
            name: String::new(),
            note: String::new(),
            lanes,
            events: Vec::new(),
            paused_ms: 0,
            passed: None,
            failure: None,
        }
    }

    #[test]
    fn the_tile_of_a_running_run_counts_the_updates_that_are_lost_so_far() {
        let lanes = vec![
            lane(StrategyKey::Unguarded, 100, 390),
            lane(StrategyKey::RowLock, 100, 299),
        ];
        let tile = Tile::of(&run(RunState::Running, lanes), 1);
        assert_eq!(
            (tile.oversold, tile.undersold, tile.is_running),
            (0, None, true)
        );
        assert_eq!(
            tile.lanes.iter().map(|lane| lane.lost).collect::<Vec<_>>(),
            [90, 0]
        );
        assert!(
            tile.text
                .text
                .starts_with("90 units are sold, but still in the counter"),
            "{}",
            tile.text.text
        );
        let shown = view! { <VerdictTile tile/> }.to_html();
        for part in ["Oversold so far", "lost updates so far", "not known yet"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
    }

    #[test]
    fn the_tile_of_a_run_that_was_cut_off_shows_what_was_counted() {
        let mut cut_off = lane(StrategyKey::Unguarded, 90, 310);
        cut_off.verdict = Some(Verdict {
            strategy: StrategyKey::Unguarded,
            stock: 400,
            attempts: 400,
            succeeded: 90,
            sold: 90,
            promised: Some(90),
            remaining: 310,
            counted_afterwards: true,
            ..Verdict::example()
        });
        let mut run = run(RunState::Failed, vec![cut_off]);
        run.failure = Some("the server that ran it stopped".to_owned());
        let tile = Tile::of(&run, 1);
        assert_eq!((tile.oversold, tile.undersold), (0, None));
        assert_eq!(tile.text.headline, "Cut off, nothing oversold");
        for part in [
            "the server that ran it stopped",
            "90 of 400 attempts have an order",
        ] {
            assert!(
                tile.text.text.contains(part),
                "{part} in {}",
                tile.text.text
            );
        }
        let shown = view! { <VerdictTile tile/> }.to_html();
        assert!(
            shown.contains("not known<") && !shown.contains("so far"),
            "{shown}"
        );
        if let Some(verdict) = &mut run.lanes[0].verdict {
            verdict.remaining = 391;
        }
        let tile = Tile::of(&run, 1);
        assert_eq!(tile.text.headline, "Cut off, orders and stock differ");
    }
}
