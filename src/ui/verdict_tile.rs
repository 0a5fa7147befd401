//! The verdict tile of a run: Oversold · Undersold.

mod tile_text;

use leptos::prelude::*;

use self::tile_text::TileText;
use super::chart::LaneKey;
use crate::model::{LaneSnapshot, RunSnapshot, StrategyKey, Verdict};

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
    name: String,
    is_thin: bool,
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
            name: lane.name(),
            is_thin: lane.is_thin(),
            oversold: oversold(lane, units_per_attempt),
            undersold: undersold(lane),
            lost: lane.lost_updates(units_per_attempt),
            failed: lane.verdict.as_ref().is_some_and(Verdict::has_failed),
        });
        Self {
            text: TileText::of(run, units_per_attempt),
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
            <span class="verdict__lane-key"><LaneKey strategy=lane.strategy is_thin=lane.is_thin/></span>
            <span class="verdict__lane-name">{lane.name.clone()}</span>" "
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LatencyMs, RunState, Sample, SimulationPlan};

    fn lane(strategy: StrategyKey, sold: u64, remaining: i64) -> LaneSnapshot {
        LaneSnapshot {
            strategy,
            writers: None,
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
