//! The tile that nobody can miss: Oversold · Undersold.

use leptos::prelude::*;

use crate::model::{RunSnapshot, RunState};

struct Words {
    class: &'static str,
    icon: &'static str,
    headline: String,
    text: String,
}

/// The verdict on a run, or that it is still open.
#[component]
pub fn VerdictTile(run: RunSnapshot) -> impl IntoView {
    let words = words(&run);
    let sold = run
        .samples
        .last()
        .map_or(0, |sample| sample.succeeded)
        .saturating_mul(u64::from(run.plan.quantity.get()));
    let oversold = run.verdict.as_ref().map_or_else(
        || (i64::try_from(sold).unwrap_or(i64::MAX) - run.stock).max(0),
        |verdict| verdict.oversold,
    );
    let undersold = run.verdict.as_ref().map(|verdict| verdict.undersold);
    view! {
        <section class=format!("verdict {}", words.class) aria-labelledby="verdict" aria-live="polite" aria-atomic="true">
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

fn words(run: &RunSnapshot) -> Words {
    let Some(verdict) = &run.verdict else {
        let failed = run.state == RunState::Failed;
        return Words {
            class: if failed {
                "verdict--bad"
            } else {
                "verdict--pending"
            },
            icon: if failed { WARNING } else { CLOCK },
            headline: if failed { "No verdict" } else { "Counting" }.to_owned(),
            text: match &run.failure {
                Some(failure) => format!("The run failed: {failure}."),
                None => "The verdict is given when the last buyer has been served.".to_owned(),
            },
        };
    };
    let told_no = verdict.rejected + verdict.failed;
    let counted = format!(
        "{} on the shelf, {} sold, {told_no} told no. Counted from the order lines.",
        verdict.stock, verdict.sold
    );
    let (class, icon, headline, text) = if verdict.oversold > 0 {
        let text = format!(
            "{} on the shelf, {} sold: orders for {} units that were never there.",
            verdict.stock, verdict.sold, verdict.oversold
        );
        (
            "verdict--bad",
            WARNING,
            format!("Sold {} that do not exist", verdict.oversold),
            text,
        )
    } else if verdict.undersold > 0 {
        let headline = format!(
            "{} left on the shelf that should have sold",
            verdict.undersold
        );
        ("verdict--bad", WARNING, headline, counted)
    } else if !verdict.invariants_held() {
        let text = format!(
            "{} buyers were told yes, the order lines say {} units.",
            verdict.succeeded, verdict.sold
        );
        (
            "verdict--bad",
            WARNING,
            "Answers and orders differ".to_owned(),
            text,
        )
    } else if verdict.remaining == 0 {
        (
            "verdict--ok",
            CHECK,
            "Sold to the last unit, not one more".to_owned(),
            counted,
        )
    } else {
        (
            "verdict--ok",
            CHECK,
            "Everyone who fitted was served".to_owned(),
            counted,
        )
    };
    Words {
        class,
        icon,
        headline,
        text,
    }
}
