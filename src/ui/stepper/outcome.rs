//! How a session ended, what happened on the way, and what had been guessed.

use leptos::prelude::*;

use crate::model::stepper::{Guess, Outcome, Standing, StepperView, happened};

/// Who was sold what; empty while the session is open.
#[component]
pub fn OutcomeTile(view: StepperView) -> impl IntoView {
    let outcome = view.outcome.clone()?;
    let oversold = outcome.oversold();
    let (class, headline) = match &view.standing {
        Standing::RolledBack(_) => ("verdict verdict--pending", "Rolled back".to_owned()),
        _ if oversold > 0 => (
            "verdict verdict--bad",
            format!("Sold {oversold} that never were"),
        ),
        _ => (
            "verdict verdict--ok",
            "Not one more than there was".to_owned(),
        ),
    };
    let text = match &view.standing {
        Standing::RolledBack(why) => why.clone(),
        _ => "Counted from the order lines, in the database.".to_owned(),
    };
    let lost: i64 = outcome
        .products
        .iter()
        .map(|product| product.ordered - product.counters.sold)
        .sum();
    let pair = |label: &'static str, testid: &'static str, number: i64| {
        view! {
            <p class="verdict__pair">
                <span class="verdict__label">{label}</span>" "
                <span class="verdict__n" data-testid=testid>{number}</span>
            </p>
        }
    };
    Some(view! {
        <section class=class aria-labelledby="outcome">
            <h2 class="verdict__word" id="outcome">{headline}</h2>
            <div class="verdict__pairs">
                {pair("Sold", "sold", outcome.sold())}
                {pair("Oversold", "oversold", oversold)}
            </div>
            {(lost > 0).then(|| view! { <p class="verdict__text">{format!("The row knows of {lost} fewer: lost in an update.")}</p> })}
            {view.guess.map(|guess| view! { <p class="verdict__text" data-testid="guess">{compare(guess, &outcome)}</p> })}
            <p class="verdict__text">{text}</p>
        </section>
    })
}

fn compare(guess: Guess, outcome: &Outcome) -> String {
    let was = (outcome.sold(), outcome.oversold());
    let guessed = (i64::from(guess.sold), i64::from(guess.oversold));
    if was == guessed {
        return format!(
            "You guessed {} sold and {} oversold: right.",
            guess.sold, guess.oversold
        );
    }
    format!(
        "You guessed {} sold and {} oversold; it was {} and {}.",
        guess.sold, guess.oversold, was.0, was.1
    )
}

/// From this session's own statements and figures.
#[component]
pub fn Happened(view: StepperView) -> impl IntoView {
    let sentences = happened(&view);
    let nothing = sentences.is_empty();
    let sentences: Vec<_> = sentences
        .into_iter()
        .map(|sentence| view! { <li>{sentence}</li> })
        .collect();
    view! {
        <section class="panel told" aria-labelledby="happened">
            <h2 class="told__title" id="happened">"What happened"</h2>
            {nothing.then(|| view! { <p class="quiet">"Nothing worth telling yet."</p> })}
            <ul class="told__list" data-testid="happened">{sentences}</ul>
        </section>
    }
}
