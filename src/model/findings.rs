//! What a lane's figures say, in sentences: told from this run, and from nothing else.

use super::{LaneSnapshot, RunSnapshot, TimeSplitMs, Verdict};

/// What happened on a lane; none before its verdict.
pub fn of_lane(lane: &LaneSnapshot) -> Vec<String> {
    let Some(verdict) = &lane.verdict else {
        return Vec::new();
    };
    [
        Some(answers(verdict)),
        oversold(verdict),
        counter(verdict),
        undersold(verdict),
        failures(verdict),
        retries(verdict),
        Some(times(verdict)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How the guess compares, once every lane is judged.
pub fn of_guess(run: &RunSnapshot) -> Option<String> {
    let guess = run.plan.guess?;
    let judged: Option<Vec<_>> = run.lanes.iter().map(|lane| lane.verdict.as_ref()).collect();
    let oversold: i64 = judged?.iter().map(|verdict| verdict.oversold).sum();
    Some(if oversold == i64::from(guess) {
        format!("The guess was right: {oversold} oversold.")
    } else {
        format!("The guess was {guess} oversold; it was {oversold}.")
    })
}

fn answers(verdict: &Verdict) -> String {
    format!(
        "{} bought {} of the {} on the shelf. {} told no.",
        counted(verdict.succeeded, "attempt", "attempts"),
        counted(verdict.sold.unsigned_abs(), "unit", "units"),
        verdict.stock,
        was_or_were(verdict.rejected),
    )
}

fn oversold(verdict: &Verdict) -> Option<String> {
    (verdict.oversold > 0).then(|| {
        format!(
            "The order lines add up to {} more than there was: somebody has paid for {} not there.",
            counted(verdict.oversold.unsigned_abs(), "unit", "units"),
            if verdict.oversold == 1 {
                "what is"
            } else {
                "things that are"
            },
        )
    })
}

/// What the stock row says, where that is not what the orders say.
fn counter(verdict: &Verdict) -> Option<String> {
    let should = verdict.stock - verdict.sold - verdict.sold_to_others - verdict.held;
    if verdict.remaining == should {
        return (verdict.remaining < 0)
            .then(|| format!("The counter ended below zero, at {}.", verdict.remaining));
    }
    let lost = (verdict.remaining - should).unsigned_abs();
    Some(format!(
        "The counter ended at {}, and should be at {should}: it has lost {}.",
        verdict.remaining,
        counted(lost, "unit", "units"),
    ))
}

fn undersold(verdict: &Verdict) -> Option<String> {
    (verdict.undersold > 0).then(|| {
        format!(
            "{} left, though somebody who wanted them was sent away.",
            counted(verdict.undersold.unsigned_abs(), "unit was", "units were"),
        )
    })
}

fn failures(verdict: &Verdict) -> Option<String> {
    match (verdict.failed, verdict.cut_off) {
        (0, _) => None,
        (failed, cut_off) if failed == cut_off => Some(format!(
            "{} cut off in the middle, and came to no order.",
            counted(cut_off, "attempt was", "attempts were"),
        )),
        (failed, cut_off) => Some(format!(
            "{} in an error, {cut_off} of them because they were cut off in the middle.",
            counted(failed, "attempt ended", "attempts ended"),
        )),
    }
}

fn retries(verdict: &Verdict) -> Option<String> {
    let fallbacks = match verdict.fallbacks {
        0 => String::new(),
        some => format!(
            " {} given up after too many, and the row lock took over.",
            counted(some, "attempt was", "attempts were")
        ),
    };
    (verdict.retries > 0).then(|| {
        format!(
            "{} inside the attempts.{fallbacks}",
            counted(verdict.retries, "extra try", "extra tries")
        )
    })
}

fn times(verdict: &Verdict) -> String {
    let latency = verdict.latency_ms;
    let (part, share) = largest_part(verdict.time_split_ms);
    let where_it_went = if share > 0.0 {
        format!(" {share:.0} % of an average attempt went into {part}.")
    } else {
        String::new()
    };
    format!(
        "Half of the answers came within {:.1} ms, 99 of 100 within {:.1} ms.{where_it_went}",
        latency.p50, latency.p99
    )
}

/// Where most of the measured time went, and how much of it, in percent.
fn largest_part(split: TimeSplitMs) -> (&'static str, f64) {
    let parts = [
        ("waiting for a connection", split.pool_wait),
        ("waiting for the lock", split.lock_wait),
        ("executing statements", split.execute),
        ("committing", split.commit),
    ];
    let all: f64 = parts.iter().map(|(_, ms)| ms).sum();
    let largest = parts
        .into_iter()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .unwrap_or(("nothing", 0.0));
    let share = if all > 0.0 {
        largest.1 / all * 100.0
    } else {
        0.0
    };
    (largest.0, share)
}

fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { several })
}

fn was_or_were(number: u64) -> String {
    counted(number, "was", "were")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LatencyMs, StrategyKey};

    fn told(verdict: Verdict) -> Vec<String> {
        of_lane(&LaneSnapshot {
            strategy: StrategyKey::RowLock,
            product_name: String::new(),
            stock: verdict.stock,
            samples: Vec::new(),
            latency_ms: LatencyMs::default(),
            verdict: Some(verdict),
        })
    }

    #[test]
    fn a_sound_lane_is_told_in_two_sentences() {
        let mut verdict = Verdict::example();
        verdict.latency_ms.p50 = 3.0;
        verdict.latency_ms.p99 = 40.0;
        verdict.time_split_ms.lock_wait = 3.0;
        verdict.time_split_ms.execute = 1.0;
        assert_eq!(
            told(verdict),
            [
                "20 attempts bought 20 units of the 20 on the shelf. 13 were told no.",
                "Half of the answers came within 3.0 ms, 99 of 100 within 40.0 ms. 75 % of an average attempt went into waiting for the lock.",
            ]
        );
    }

    #[test]
    fn what_was_lost_is_told() {
        let mut verdict = Verdict::example();
        verdict.sold = 32;
        verdict.succeeded = 32;
        verdict.rejected = 1;
        verdict.oversold = 12;
        verdict.remaining = 3;
        verdict.retries = 1;
        verdict.failed = 2;
        verdict.cut_off = 2;
        let told = told(verdict).join("\n");
        for part in [
            "1 was told no.",
            "add up to 12 units more than there was",
            "The counter ended at 3, and should be at -12: it has lost 15 units.",
            "2 attempts were cut off in the middle",
            "1 extra try inside the attempts.",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }

    #[test]
    fn a_counter_below_zero_is_told() {
        let mut verdict = Verdict::example();
        verdict.sold = 25;
        verdict.oversold = 5;
        verdict.remaining = -5;
        let told = told(verdict).join("\n");
        assert!(told.contains("below zero, at -5."), "{told}");
    }
}
