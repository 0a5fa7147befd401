//! One actor: where it stands, and all that it has said so far.

use leptos::prelude::*;

use super::{
    actor_class,
    answer::{AnswerLine, Sql},
};
use crate::model::stepper::{ActorState, ActorView, PastStep, Standing, StepperView, letter};

/// The lane of actor number `index`.
#[component]
pub fn Lane(view: StepperView, index: usize) -> impl IntoView {
    let actor = view.actors.get(index).cloned()?;
    let heading = format!("actor-{}", letter(index));
    let past: Vec<_> = actor
        .past
        .iter()
        .map(|past| past_step(&view, past))
        .collect();
    let nothing_yet = past.is_empty();
    Some(view! {
        <section class=actor_class("lane-card", index) aria-labelledby=heading.clone()>
            <header class="lane-card__head">
                <span class="lane-card__letter" aria-hidden="true">{letter(index).to_ascii_uppercase()}</span>
                <h2 class="lane-card__name" id=heading.clone()>{actor.name.clone()}</h2>
                <p class="lane-card__does">{actor.does.clone()}<span class="lane-card__pid">{format!(" · pid {}", actor.pid)}</span></p>
            </header>
            {now(&view, index, &actor)}
            {actor.note.clone().map(|note| view! { <p class="lane-card__note">{note}</p> })}
            <h3 class="vh">{format!("What {} has said so far", actor.name)}</h3>
            {nothing_yet.then(|| view! { <p class="lane-card__empty">"Nothing has been sent yet."</p> })}
            // The latest on top: turned round by the style, so that what is open below a step stays with it.
            <ol class="past">{past}</ol>
        </section>
    })
}

/// The statement that comes next, or what keeps the actor.
fn now(view: &StepperView, index: usize, actor: &ActorView) -> AnyView {
    match &actor.state {
        ActorState::Stopped(statement) if view.standing == Standing::Open => view! {
            <div class="now now--next" data-testid=format!("state-{}", letter(index))>
                <p class="now__word">"About to run"</p>
                <Sql statement=statement.clone()/>
                <form method="post" action="/api/form/admin/stepper/step">
                    <input type="hidden" name="session" value=view.id.clone()/>
                    <input type="hidden" name="at" value=view.script.steps.len().to_string()/>
                    <button class="btn btn--primary btn--block" type="submit" name="actor" value=index.to_string()>
                        {format!("Let {} run this", actor.name)}
                        <kbd class="key-cap" aria-hidden="true">{index + 1}</kbd>
                    </button>
                </form>
            </div>
        }
        .into_any(),
        ActorState::Stopped(statement) => view! {
            <div class="now now--over" data-testid=format!("state-{}", letter(index))>
                <p class="now__word">"Rolled back before"</p>
                <Sql statement=statement.clone()/>
            </div>
        }
        .into_any(),
        ActorState::Waiting { statement, on, others } => {
            let whom = waits_for(view, on, others);
            view! {
                <div class="now now--waits" data-testid=format!("state-{}", letter(index))>
                    <p class="now__word"><span class="now__lock" aria-hidden="true"></span>{format!("Waits for {whom}")}</p>
                    <Sql statement=statement.clone()/>
                </div>
            }
            .into_any()
        }
        ActorState::Working => view! {
            <div class="now now--works" data-testid=format!("state-{}", letter(index))>
                <p class="now__word">"On its way to the next stop"</p>
            </div>
        }
        .into_any(),
        ActorState::Ended { told, served } => {
            let class = if *served { "now now--served" } else { "now now--refused" };
            view! {
                <div class=class data-testid=format!("state-{}", letter(index))>
                    <p class="now__word">{if *served { "Told yes" } else { "Told no" }}</p>
                    <p class="now__told">{told.clone()}</p>
                </div>
            }
            .into_any()
        }
    }
}

/// As in `Buyer A`, or a process that takes no part.
pub fn waits_for(view: &StepperView, on: &[usize], others: &[i32]) -> String {
    let mut names: Vec<_> = on
        .iter()
        .filter_map(|index| view.actors.get(*index))
        .map(|actor| actor.name.clone())
        .collect();
    names.extend(
        others
            .iter()
            .map(|pid| format!("process {pid}, which takes no part")),
    );
    names.join(" and ")
}

fn past_step(view: &StepperView, past: &PastStep) -> impl IntoView + use<> {
    let waited = (!past.waited_for.is_empty()).then(|| {
        let whom = view.names(&past.waited_for);
        view! { <p class="past__waited">{format!("waited for {whom}")}</p> }
    });
    view! {
        <li class="past__step" value=past.step.to_string()>
            <span class="past__number"><span class="vh">"Step "</span>{past.step}</span>
            <div class="past__what">
                <Sql statement=past.statement.clone()/>
                {waited}
                <AnswerLine answer=past.answer.clone()/>
            </div>
        </li>
    }
}
