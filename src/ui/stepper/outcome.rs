//! The outcome of a session, its findings, and the comparison with the guess.

use leptos::prelude::*;

use crate::model::stepper::{Guess, StepperOutcome, StepperStatus, StepperView, summarize};

/// Shows how many units were sold and oversold; nothing while the session is open.
#[component]
pub fn OutcomeTile(view: StepperView) -> impl IntoView {
    let outcome = view.outcome.clone()?;
    let oversold = outcome.oversold();
    let (class, headline) = match &view.status {
        StepperStatus::RolledBack(_) => ("verdict verdict--pending", "Rolled back".to_owned()),
        _ if oversold > 0 => ("verdict verdict--bad", format!("Oversold by {oversold}")),
        _ => ("verdict verdict--ok", "Nothing oversold".to_owned()),
    };
    let text = match &view.status {
        StepperStatus::RolledBack(why) => why.clone(),
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
            {(lost > 0).then(|| view! { <p class="verdict__text">{format!("The stock row counts {lost} fewer sold: a lost update.")}</p> })}
            {view.guess.map(|guess| view! { <p class="verdict__text" data-testid="guess">{compare(guess, &outcome)}</p> })}
            <p class="verdict__text">{text}</p>
        </section>
    })
}

fn compare(guess: Guess, outcome: &StepperOutcome) -> String {
    let actual = (outcome.sold(), outcome.oversold());
    let guessed = (i64::from(guess.sold), i64::from(guess.oversold));
    if actual == guessed {
        return format!(
            "You guessed {} sold and {} oversold: right.",
            guess.sold, guess.oversold
        );
    }
    format!(
        "You guessed {} sold and {} oversold; it was {} and {}.",
        guess.sold, guess.oversold, actual.0, actual.1
    )
}

/// Lists findings from this session's own statements and numbers.
#[component]
pub fn SessionFindings(view: StepperView) -> impl IntoView {
    let sentences = summarize(&view);
    let nothing = sentences.is_empty();
    let sentences: Vec<_> = sentences
        .into_iter()
        .map(|sentence| view! { <li>{sentence}</li> })
        .collect();
    view! {
        <section class="panel explanation" aria-labelledby="happened">
            <h2 class="explanation__title" id="happened">"What happened"</h2>
            {nothing.then(|| view! { <p class="quiet">"No findings yet."</p> })}
            <ul class="explanation__list" data-testid="happened">{sentences}</ul>
        </section>
    }
}
