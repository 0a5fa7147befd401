//! The tile that nobody can miss: Oversold · Undersold.

use leptos::prelude::*;

use super::chart::LaneKey;
use crate::model::{LaneSnapshot, RunSnapshot, RunState, StrategyKey, Verdict};

#[derive(Clone, PartialEq, Eq)]
struct Words {
    class: &'static str,
    icon: &'static str,
    headline: String,
    text: String,
}

/// All that the tile says. While a run goes on, it changes far less often than the run.
#[derive(Clone, PartialEq, Eq)]
pub struct Tile {
    words: Words,
    oversold: i64,
    /// Known once every lane is judged.
    undersold: Option<i64>,
    /// Where there are several.
    lanes: Vec<TileLane>,
}

#[derive(Clone, PartialEq, Eq)]
struct TileLane {
    strategy: StrategyKey,
    oversold: i64,
    undersold: Option<i64>,
    failed: bool,
}

impl Tile {
    /// What there is to say of `run`, whose attempts ask for at most `each` units.
    pub fn of(run: &RunSnapshot, each: u32) -> Self {
        let lanes = run.lanes.iter().map(|lane| TileLane {
            strategy: lane.strategy,
            oversold: oversold(lane, each),
            undersold: undersold(lane),
            failed: lane
                .verdict
                .as_ref()
                .is_some_and(|verdict| !verdict.passed()),
        });
        Self {
            words: words(run),
            oversold: run.lanes.iter().map(|lane| oversold(lane, each)).sum(),
            undersold: run.lanes.iter().map(undersold).sum(),
            lanes: lanes.filter(|_| run.lanes.len() > 1).collect(),
        }
    }
}

/// The verdict on a run, or that it is still open; of several lanes, also what each came to.
#[component]
pub fn VerdictTile(tile: Tile) -> impl IntoView {
    let Tile {
        words,
        oversold,
        undersold,
        lanes,
    } = tile;
    let lanes = (!lanes.is_empty()).then(|| {
        let lanes = lanes.iter().map(line).collect_view();
        view! { <ul class="verdict__lanes" aria-label="Verdict on each lane">{lanes}</ul> }
    });
    view! {
        <section class=format!("verdict {}", words.class) aria-labelledby="verdict">
            <h2 class="verdict__word" id="verdict">
                <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=words.icon></path></svg>
                {words.headline}
            </h2>
            <div class="verdict__pairs">
                <p class="verdict__pair">
                    <span class="verdict__label">"Oversold"</span>" "
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
                                <span aria-hidden="true">"–"</span><span class="vh">"not known yet"</span>
                            </span>
                        }.into_any(),
                    }}
                </p>
            </div>
            {lanes}
            <p class="verdict__text">{words.text}</p>
        </section>
    }
}

/// What one of several lanes came to.
fn line(lane: &TileLane) -> impl IntoView + use<> {
    let undersold = lane
        .undersold
        .map_or_else(|| "–".to_owned(), |units| units.to_string());
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
            </span>
        </li>
    }
}

/// Units sold beyond the stock: from the database once the lane is judged, before that as far as buyers know.
fn oversold(lane: &LaneSnapshot, each: u32) -> i64 {
    let sold = i64::try_from(lane.last().units_sold(each)).unwrap_or(i64::MAX);
    lane.verdict
        .as_ref()
        .map_or_else(|| (sold - lane.stock).max(0), |verdict| verdict.oversold)
}

/// Known once the lane is judged.
fn undersold(lane: &LaneSnapshot) -> Option<i64> {
    lane.verdict.as_ref().map(|verdict| verdict.undersold)
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

fn words(run: &RunSnapshot) -> Words {
    let judged: Option<Vec<_>> = run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    match judged.as_deref() {
        Some([verdict]) => of_one(verdict),
        Some([_, ..]) => of_several(run),
        _ => open(run),
    }
}

/// What is said of a run, or of a lane of it, without a verdict.
fn open(run: &RunSnapshot) -> Words {
    if run.state == RunState::Failed {
        return Words {
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
        return of_several(run);
    }
    let has_begun = run.lanes.iter().any(|lane| !lane.samples.is_empty());
    Words {
        class: "verdict--pending",
        icon: CLOCK,
        headline: if has_begun { "Counting" } else { "Waiting" }.to_owned(),
        text: "Told by buyers so far. The database has the last word when the last of them has been served."
            .to_owned(),
    }
}

/// Of lanes that were judged, some of them perhaps not because the run was ended early.
fn of_several(run: &RunSnapshot) -> Words {
    let judged = || run.lanes.iter().filter_map(|lane| lane.verdict.as_ref());
    let counted = "From the database: counted from the order lines of each lane.";
    let broken: Vec<_> = judged()
        .filter_map(|verdict| Some((verdict.strategy, broken(verdict, counted)?.0)))
        .collect();
    match broken.as_slice() {
        [] if judged().next().is_none() => Words {
            class: "verdict--pending",
            icon: CLOCK,
            headline: "No verdict".to_owned(),
            text: "The run was ended before a lane could be judged.".to_owned(),
        },
        [] => Words {
            class: "verdict--ok",
            icon: CHECK,
            headline: "Not one unit too many, not one too few".to_owned(),
            text: counted.to_owned(),
        },
        [(strategy, headline)] => Words {
            class: "verdict--bad",
            icon: WARNING,
            headline: format!("{strategy}: {}", lower_first(headline)),
            text: counted.to_owned(),
        },
        several => Words {
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

fn of_one(verdict: &Verdict) -> Words {
    let counted = format!(
        "{} on the shelf, {} sold, {} told no. From the database: counted from the order lines.",
        verdict.stock,
        verdict.sold,
        verdict.rejected + verdict.failed
    );
    match broken(verdict, &counted) {
        Some((headline, text)) => Words {
            class: "verdict--bad",
            icon: WARNING,
            headline,
            text,
        },
        None => Words {
            class: "verdict--ok",
            icon: CHECK,
            headline: if verdict.remaining == 0 {
                "Sold to the last unit, not one more"
            } else {
                "Everyone who fitted was served"
            }
            .to_owned(),
            text: counted,
        },
    }
}

/// What is wrong, if anything is: a headline and a sentence.
fn broken(verdict: &Verdict, counted: &str) -> Option<(String, String)> {
    if verdict.oversold > 0 {
        let text = format!(
            "{} on the shelf, {} sold: orders for {} units that were never there.",
            verdict.stock, verdict.sold, verdict.oversold
        );
        return Some((format!("Sold {} that do not exist", verdict.oversold), text));
    }
    if verdict.undersold > 0 {
        let headline = format!(
            "{} left on the shelf that should have sold",
            verdict.undersold
        );
        return Some((headline, counted.to_owned()));
    }
    if !verdict.invariants_held() {
        let text = format!(
            "{} buyers were told yes, the order lines say {} units.",
            verdict.succeeded, verdict.sold
        );
        return Some(("Answers and orders differ".to_owned(), text));
    }
    let missed = verdict
        .thresholds
        .iter()
        .find(|threshold| !threshold.held)?;
    let text = format!(
        "{} was to be {}, and is {:.1}. {counted}",
        missed.name, missed.limit, missed.measured
    );
    Some(("A threshold was missed".to_owned(), text))
}
