//! Summarizes a stepper session in sentences, from its statements and its final counts.

use super::{
    ActorState, ActorView, OutcomeRow, StatementResultView, StepperStatus, StepperView,
    begins_transaction,
};

/// Describes each notable event in the order of the steps; empty before the first one.
pub fn summarize(view: &StepperView) -> Vec<String> {
    let mut events: Vec<(usize, String)> = Vec::new();
    for actor in &view.actors {
        for past in &actor.past {
            if !past.waited_for.is_empty() {
                let blockers = view.names(&past.waited_for);
                events.push((past.step, format!("{} waited for {blockers}.", actor.name)));
            }
            match &past.result {
                StatementResultView::Failed { sqlstate, message } => {
                    events.push((past.step, failure(actor, sqlstate.as_deref(), message)));
                }
                result
                    if past.statement.highlighted
                        && affected_no_row(&past.statement.sql, result) =>
                {
                    events.push((
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
            events.push((last, format!("{} took {attempts} attempts.", actor.name)));
        }
    }
    events.sort_by_key(|(step, _)| *step);
    let mut sentences: Vec<_> = events.into_iter().map(|(_, sentence)| sentence).collect();
    if let StepperStatus::RolledBack(why) = &view.status {
        sentences.push(why.clone());
    }
    for actor in &view.actors {
        match &actor.state {
            ActorState::Waiting { on, .. }
                if !on.is_empty() && view.status == StepperStatus::Open =>
            {
                sentences.push(format!("{} waits for {}.", actor.name, view.names(on)));
            }
            ActorState::Ended { message, .. } => {
                sentences.push(format!("{}: {message}", actor.name))
            }
            _ => {}
        }
    }
    if let Some(outcome) = &view.outcome {
        sentences.extend(outcome.products.iter().flat_map(counts));
    }
    sentences
}

fn failure(actor: &ActorView, sqlstate: Option<&str>, message: &str) -> String {
    match sqlstate {
        // A lock timeout of MySQL and MariaDB, also of NOWAIT: the transaction stays open.
        Some(code @ ("1205" | "3572")) => format!(
            "The database rejected a statement of {} with {code}: {message}.",
            actor.name
        ),
        Some(code) => format!(
            "The database aborted the transaction of {} with {code}: {message}.",
            actor.name
        ),
        None => format!("A statement of {} failed: {message}.", actor.name),
    }
}

fn affected_no_row(sql: &str, result: &StatementResultView) -> bool {
    let no_row = match result {
        StatementResultView::Affected(rows) => *rows == 0,
        StatementResultView::Rows { rows, .. } => rows.is_empty(),
        _ => false,
    };
    no_row && sql.starts_with("UPDATE")
}

/// The number of transactions of a purchase, including one that was repeated under a lock to
/// confirm a rejection.
fn attempts(actor: &ActorView) -> usize {
    actor
        .past
        .iter()
        .filter(|past| begins_transaction(&past.statement.sql))
        .count()
}

fn counts(product: &OutcomeRow) -> Vec<String> {
    let counters = product.counters;
    let mut sentences = vec![format!(
        "{}: initial stock {}; orders for {}; the stock row counts {} sold and {} available.",
        product.product, counters.total, product.ordered, counters.sold, counters.available
    )];
    let lost = product.ordered - counters.sold;
    if lost > 0 {
        sentences.push(format!(
            "The orders cover {lost} more than the stock row counts as sold: an update was lost."
        ));
    }
    if counters.available < 0 {
        sentences.push(format!("The stock is {}: below zero.", counters.available));
    }
    if product.oversold() > 0 {
        sentences.push(format!("Oversold by {}.", product.oversold()));
    }
    sentences
}
