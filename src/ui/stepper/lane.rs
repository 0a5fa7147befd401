//! The lane of one actor: its current statement, and all statements so far.

use leptos::prelude::*;

use super::{
    actor_class,
    statement::{ResultLine, Sql},
};
use crate::{
    model::stepper::{ActorState, ActorView, PastStep, StepperStatus, StepperView, actor_letter},
    ui::chart::LaneKey,
};

/// Shows the lane of the actor at `index`.
#[component]
pub fn Lane(view: StepperView, index: usize) -> impl IntoView {
    let actor = view.actors.get(index).cloned()?;
    let heading = format!("actor-{}", actor_letter(index));
    let past: Vec<_> = actor
        .past
        .iter()
        .map(|past| past_step(&view, past))
        .collect();
    let nothing_yet = past.is_empty();
    let strategy = view
        .script
        .roles()
        .get(index)
        .and_then(|role| role.strategy());
    Some(view! {
        <section class=actor_class("lane-card", index) aria-labelledby=heading.clone()>
            <header class="lane-card__head">
                <span class="lane-card__letter" aria-hidden="true">{actor_letter(index).to_ascii_uppercase()}</span>
                <h2 class="lane-card__name" id=heading.clone()>{actor.name.clone()}</h2>
                <p class="lane-card__does">{strategy.map(|strategy| view! { <LaneKey strategy/> })}{actor.description.clone()}<span class="lane-card__pid">{format!(" · {} {}", view.session_word(), actor.pid)}</span></p>
            </header>
            {current(&view, index, &actor)}
            {actor.note.clone().map(|note| view! { <p class="lane-card__note">{note}</p> })}
            <h3 class="vh">{format!("Statements of {} so far", actor.name)}</h3>
            {nothing_yet.then(|| view! { <p class="lane-card__empty">"No statement sent yet."</p> })}
            // The latest on top: the style reverses the order, so that the open details below a
            // step stay with it.
            <ol class="past">{past}</ol>
        </section>
    })
}

/// Shows the next statement, what the actor waits for, or its outcome.
fn current(view: &StepperView, index: usize, actor: &ActorView) -> AnyView {
    match &actor.state {
        ActorState::Stopped(statement) if view.status == StepperStatus::Open => view! {
            <div class="now now--next" data-testid=format!("state-{}", actor_letter(index))>
                <p class="now__word">"Next statement"</p>
                <Sql statement=statement.clone()/>
                <form method="post" action="/api/form/admin/stepper/step">
                    <input type="hidden" name="session" value=view.id.clone()/>
                    <input type="hidden" name="at" value=view.script.steps.len().to_string()/>
                    <button class="btn btn--primary btn--block" type="submit" name="actor" value=index.to_string()>
                        {format!("Run as {}", actor.name)}
                        <kbd class="key-cap" aria-hidden="true">{index + 1}</kbd>
                    </button>
                </form>
            </div>
        }
        .into_any(),
        ActorState::Stopped(statement) => view! {
            <div class="now now--over" data-testid=format!("state-{}", actor_letter(index))>
                <p class="now__word">"Not run: rolled back"</p>
                <Sql statement=statement.clone()/>
            </div>
        }
        .into_any(),
        ActorState::Waiting { statement, on, others } => {
            let blockers = waits_for(view, on, others);
            view! {
                <div class="now now--waits" data-testid=format!("state-{}", actor_letter(index))>
                    <p class="now__word"><span class="now__lock" aria-hidden="true"></span>{format!("Waits for {blockers}")}</p>
                    <Sql statement=statement.clone()/>
                </div>
            }
            .into_any()
        }
        ActorState::Working => view! {
            <div class="now now--works" data-testid=format!("state-{}", actor_letter(index))>
                <p class="now__word">"Running"</p>
            </div>
        }
        .into_any(),
        ActorState::Ended { message, succeeded } => {
            let class = if *succeeded { "now now--served" } else { "now now--refused" };
            view! {
                <div class=class data-testid=format!("state-{}", actor_letter(index))>
                    <p class="now__word">{if *succeeded { "Succeeded" } else { "Rejected" }}</p>
                    <p class="now__message">{message.clone()}</p>
                </div>
            }
            .into_any()
        }
    }
}

/// Names what an actor waits for: actors such as `Buyer A`, or processes outside the session.
pub fn waits_for(view: &StepperView, on: &[usize], others: &[i32]) -> String {
    let mut names: Vec<_> = on
        .iter()
        .filter_map(|index| view.actors.get(*index))
        .map(|actor| actor.name.clone())
        .collect();
    names.extend(others.iter().map(|id| {
        format!(
            "{} {id}, which is not part of this session",
            view.other_session_word()
        )
    }));
    names.join(" and ")
}

fn past_step(view: &StepperView, past: &PastStep) -> impl IntoView + use<> {
    let waited = (!past.waited_for.is_empty()).then(|| {
        let blockers = view.names(&past.waited_for);
        view! { <p class="past__waited">{format!("waited for {blockers}")}</p> }
    });
    view! {
        <li class="past__step" value=past.step.to_string()>
            <span class="past__number"><span class="vh">"Step "</span>{past.step}</span>
            <div class="past__what">
                <Sql statement=past.statement.clone()/>
                {waited}
                <ResultLine result=past.result.clone()/>
            </div>
        </li>
    }
}
