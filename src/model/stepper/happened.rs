//! What happened in a session, in sentences: from its own statements and from what was counted at its end.

use super::{ActorState, ActorView, Answer, OutcomeRow, Standing, StepperView};

/// A sentence for each thing worth telling, in the order of the steps; nothing while nothing has happened.
pub fn happened(view: &StepperView) -> Vec<String> {
    let mut told: Vec<(usize, String)> = Vec::new();
    for actor in &view.actors {
        for past in &actor.past {
            if !past.waited_for.is_empty() {
                let whom = view.names(&past.waited_for);
                told.push((past.step, format!("{} waited for {whom}.", actor.name)));
            }
            match &past.answer {
                Answer::Failed { sqlstate, message } => {
                    told.push((past.step, failure(actor, sqlstate.as_deref(), message)));
                }
                answer
                    if past.statement.matters && matched_nothing(&past.statement.sql, answer) =>
                {
                    told.push((
                        past.step,
                        format!("The update of {} affected no row.", actor.name),
                    ));
                }
                _ => {}
            }
        }
        let attempts = attempts(actor);
        if attempts > 1 {
            let last = actor.past.last().map_or(0, |past| past.step);
            told.push((last, format!("{} took {attempts} attempts.", actor.name)));
        }
    }
    told.sort_by_key(|(step, _)| *step);
    let mut sentences: Vec<_> = told.into_iter().map(|(_, sentence)| sentence).collect();
    if let Standing::RolledBack(why) = &view.standing {
        sentences.push(why.clone());
    }
    for actor in &view.actors {
        match &actor.state {
            ActorState::Waiting { on, .. } if !on.is_empty() && view.standing == Standing::Open => {
                sentences.push(format!("{} waits for {}.", actor.name, view.names(on)));
            }
            ActorState::Ended { told, .. } => sentences.push(format!("{}: {told}", actor.name)),
            _ => {}
        }
    }
    if let Some(outcome) = &view.outcome {
        sentences.extend(outcome.products.iter().flat_map(counted));
    }
    sentences
}

fn failure(actor: &ActorView, sqlstate: Option<&str>, message: &str) -> String {
    match sqlstate {
        Some(code) => format!(
            "The database ended the transaction of {} with {code}: {message}.",
            actor.name
        ),
        None => format!("A statement of {} failed: {message}.", actor.name),
    }
}

fn matched_nothing(sql: &str, answer: &Answer) -> bool {
    let nothing = match answer {
        Answer::Affected(rows) => *rows == 0,
        Answer::Rows { rows, .. } => rows.is_empty(),
        _ => false,
    };
    nothing && sql.starts_with("UPDATE")
}

/// Transactions that it began for its purchase. One that was refused and asked once more under a lock counts as well.
fn attempts(actor: &ActorView) -> usize {
    let begun = actor.past.iter();
    begun
        .filter(|past| past.statement.sql.starts_with("BEGIN"))
        .count()
}

fn counted(product: &OutcomeRow) -> Vec<String> {
    let counters = product.counters;
    let mut sentences = vec![format!(
        "{}: {} on the shelf at first; orders for {}; the row says {} sold and {} left.",
        product.product, counters.total, product.ordered, counters.sold, counters.available
    )];
    let lost = product.ordered - counters.sold;
    if lost > 0 {
        sentences.push(format!(
            "Orders were written for {lost} more than the row says was sold: an update was lost."
        ));
    }
    if counters.available < 0 {
        sentences.push(format!(
            "The shelf holds {} units: fewer than none.",
            counters.available
        ));
    }
    if product.oversold() > 0 {
        sentences.push(format!("Oversold by {}.", product.oversold()));
    }
    sentences
}
