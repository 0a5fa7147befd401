//! The whole picture: a lane for each actor, and the database between them.

use leptos::prelude::*;

use super::{
    database::Database,
    lane::{Lane, waits_for},
    outcome::{Happened, OutcomeTile},
};
use crate::model::stepper::{ActorState, Answer, Standing, StepperView, letter};

/// The board of a session as it stands.
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
                <Happened view=view/>
            </div>
            {lanes}
        </div>
    }
}

/// How the session stands, in a line.
#[component]
pub fn StandingLine(view: StepperView) -> impl IntoView {
    let (class, word) = match &view.standing {
        Standing::Open => ("badge badge--low", "Your move"),
        Standing::Over => ("badge badge--ok", "Over"),
        Standing::RolledBack(_) => ("badge badge--bad", "Rolled back"),
    };
    let steps = view.script.steps.len();
    let taken = match steps {
        1 => "1 step taken".to_owned(),
        steps => format!("{steps} steps taken"),
    };
    view! {
        <p class="run__state">
            <span class=class data-testid="standing">{word}</span>" "
            <span data-testid="steps">{taken}</span>
        </p>
    }
}

/// What the last step did, for those who do not see it.
pub fn announcement(view: &StepperView) -> String {
    let Some(actor) = view
        .script
        .steps
        .last()
        .and_then(|last| view.actors.get(*last))
    else {
        return "Nobody has taken a step yet.".to_owned();
    };
    let step = view.script.steps.len();
    let did = match (&actor.state, actor.past.last()) {
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
                statement.brief(),
                waits_for(view, on, others)
            )
        }
        (_, Some(past)) => format!("{}: {}", past.statement.brief(), in_words(&past.answer)),
        _ => "is on its way".to_owned(),
    };
    let end = match &view.standing {
        Standing::Open => "",
        Standing::Over => " The story is over.",
        Standing::RolledBack(why) => why,
    };
    format!("Step {step}, {}: {did}.{end}", actor.name)
}

fn in_words(answer: &Answer) -> String {
    match answer {
        Answer::Done => "done".to_owned(),
        Answer::Affected(rows) => format!("{rows} rows affected"),
        Answer::Rows { rows, .. } => format!("{} rows", rows.len()),
        Answer::Failed { sqlstate, message } => {
            format!(
                "failed with {} {message}",
                sqlstate.as_deref().unwrap_or("")
            )
        }
    }
}

/// The steps of a script as a reader would say them.
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

/// The letter of an actor, large, as keys and lanes have it.
pub fn capital(actor: usize) -> char {
    letter(actor).to_ascii_uppercase()
}
