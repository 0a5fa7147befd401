//! The board of a session: one lane per actor, and the database between them.

use leptos::prelude::*;

use super::{
    database::Database,
    lane::{Lane, waits_for},
    outcome::{OutcomeTile, SessionFindings},
};
use crate::model::stepper::{
    ActorState, StatementResultView, StepperStatus, StepperView, actor_letter,
};

/// Shows the current state of a session.
#[component]
pub fn Board(view: StepperView) -> impl IntoView {
    let lanes: Vec<_> = (0..view.actors.len())
        .map(|index| view! { <Lane view=view.clone() index/> })
        .collect();
    let class = format!("stage stage--{}", view.actors.len());
    let note = view.note.clone();
    view! {
        {note.map(|note| view! {
            <div class="notice notice--warn" role="alert"><p class="notice__title">{note}</p></div>
        })}
        <div class=class id="board">
            <div class="stage__mid">
                <OutcomeTile view=view.clone()/>
                <Database view=view.clone()/>
                <SessionFindings view=view/>
            </div>
            {lanes}
        </div>
    }
}

/// Shows the status of the session in one line.
#[component]
pub fn StatusLine(view: StepperView) -> impl IntoView {
    let (class, word) = match &view.status {
        StepperStatus::Open => ("badge badge--low", "In progress"),
        StepperStatus::Over => ("badge badge--ok", "Finished"),
        StepperStatus::RolledBack(_) => ("badge badge--bad", "Rolled back"),
    };
    let steps = view.script.steps.len();
    let taken = match steps {
        1 => "1 step taken".to_owned(),
        steps => format!("{steps} steps taken"),
    };
    view! {
        <p class="run__state">
            <span class=class data-testid="session-status">{word}</span>" "
            <span data-testid="steps">{taken}</span>
        </p>
    }
}

/// Describes the result of the last step, for screen readers.
pub fn announcement(view: &StepperView) -> String {
    let Some(actor) = view
        .script
        .steps
        .last()
        .and_then(|last| view.actors.get(*last))
    else {
        return "No step has been taken yet.".to_owned();
    };
    let step = view.script.steps.len();
    let result = match (&actor.state, actor.past.last()) {
        (
            ActorState::Waiting {
                statement,
                on,
                others,
            },
            _,
        ) => {
            format!(
                "{} waits for {}",
                statement.abbreviated(),
                waits_for(view, on, others)
            )
        }
        (_, Some(past)) => format!(
            "{}: {}",
            past.statement.abbreviated(),
            describe_result(&past.result)
        ),
        _ => "is running".to_owned(),
    };
    let end = match &view.status {
        StepperStatus::Open => "",
        StepperStatus::Over => " The session is finished.",
        StepperStatus::RolledBack(why) => why,
    };
    format!("Step {step}, {}: {result}.{end}", actor.name)
}

fn describe_result(result: &StatementResultView) -> String {
    match result {
        StatementResultView::Done => "done".to_owned(),
        StatementResultView::Affected(rows) => format!("{rows} rows affected"),
        StatementResultView::Rows { rows, .. } => format!("{} rows", rows.len()),
        StatementResultView::Failed { sqlstate, message } => {
            format!(
                "failed with {} {message}",
                sqlstate.as_deref().unwrap_or("")
            )
        }
    }
}

/// Formats the steps of a script as words, as in `Buyer A 2 times, then Buyer B`.
pub fn steps_in_words(steps: &[usize], name: impl Fn(usize) -> String) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = steps;
    while let Some(actor) = rest.first() {
        let run = rest.iter().take_while(|step| *step == actor).count();
        words.push(match run {
            1 => name(*actor),
            run => format!("{} {run} times", name(*actor)),
        });
        rest = rest.get(run..).unwrap_or_default();
    }
    words.join(", then ")
}

/// Returns the upper-case letter of an actor.
pub fn capital(actor: usize) -> char {
    actor_letter(actor).to_ascii_uppercase()
}
