//! What the verdict tile of a run says: a headline, a sentence, and the icon of both.

use crate::model::{RunSnapshot, RunState, Verdict};

const CHECK: &str = "M4 13l5 5L20 6";
const WARNING: &str = "M12 3l10 18H2zM12 10v5M12 18v.01";
const CLOCK: &str = "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2";

/// The text of the tile, with its class and the path of its icon.
#[derive(Clone, PartialEq, Eq)]
pub struct TileText {
    pub class: &'static str,
    pub icon: &'static str,
    pub headline: String,
    pub text: String,
}

impl TileText {
    /// Returns what the tile of `run` says.
    pub fn of(run: &RunSnapshot, units_per_attempt: u32) -> Self {
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
            "{}Preliminary, from the buyers’ responses. The result is counted in the database when the last buyer has \
             finished.",
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
