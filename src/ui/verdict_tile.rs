//! The tile that nobody can miss: Oversold · Undersold.

use leptos::prelude::*;

use crate::model::{LaneSnapshot, RunState, Verdict};

struct Words {
    class: &'static str,
    icon: &'static str,
    headline: String,
    text: String,
}

/// The verdict on a lane, or that it is still open.
#[component]
pub fn VerdictTile(
    lane: LaneSnapshot,
    /// Where the run stands, and why it failed if it did.
    run: (RunState, Option<String>),
    /// Units that each attempt asked for, at most.
    each: u32,
    /// Which of the page's tiles this is.
    index: usize,
    /// The id of what names the lane, where there are several: each tile then has a name of its own.
    named_by: Option<String>,
) -> impl IntoView {
    let words = words(&lane, &run);
    let id = format!("verdict-{index}");
    let name = match named_by {
        Some(lane) => format!("{lane} {id}"),
        None => id.clone(),
    };
    let sold = i64::try_from(lane.last().units_sold(each)).unwrap_or(i64::MAX);
    let oversold = lane
        .verdict
        .as_ref()
        .map_or_else(|| (sold - lane.stock).max(0), |verdict| verdict.oversold);
    let undersold = lane.verdict.as_ref().map(|verdict| verdict.undersold);
    view! {
        <section class=format!("verdict {}", words.class) aria-labelledby=name aria-live="polite" aria-atomic="true">
            <h2 class="verdict__word" id=id>
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
            <p class="verdict__text">{words.text}</p>
        </section>
    }
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

fn words(lane: &LaneSnapshot, (state, failure): &(RunState, Option<String>)) -> Words {
    match &lane.verdict {
        Some(verdict) => judged(verdict),
        None if *state == RunState::Failed => Words {
            class: "verdict--bad",
            icon: WARNING,
            headline: "No verdict".to_owned(),
            text: match failure {
                Some(failure) => format!("The run failed: {failure}."),
                None => "The run failed.".to_owned(),
            },
        },
        None => Words {
            class: "verdict--pending",
            icon: CLOCK,
            headline: if lane.samples.is_empty() {
                "Waiting"
            } else {
                "Counting"
            }
            .to_owned(),
            text: "The verdict is given when the last buyer has been served.".to_owned(),
        },
    }
}

fn judged(verdict: &Verdict) -> Words {
    let counted = format!(
        "{} on the shelf, {} sold, {} told no. Counted from the order lines.",
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
