//! Builds the page's view of a session from the gates and from the current state of the database.

use super::{
    actor::Actor,
    gate::{self, ActorPhase, GateState},
    quiescence::LockWaits,
};
use crate::{
    db::{
        Db,
        sessions::{self, SessionLock},
        statement_hook::{self, StatementResult, StatementText},
        txn,
    },
    model::{
        ShopError,
        stepper::{
            ActorState, ActorView, LockView, OutcomeRow, PastStep, RowView, Statement,
            StatementResultView, StepperOutcome, Story,
        },
    },
    simulation::store::{self, SteppedLanes},
};

/// Builds the view of each actor.
pub fn actors(actors: &[Actor], story: Story, waits: &LockWaits) -> Vec<ActorView> {
    let views = actors.iter().enumerate().map(|(index, actor)| {
        let GateState { phase, past, .. } = actor.gate.state();
        ActorView {
            name: actor.role.name(index),
            description: actor.role.description(index),
            note: actor.role.note().map(ToOwned::to_owned),
            pid: actor.pid,
            state: actor_state(phase, story, waits.get(&index)),
            past: past
                .into_iter()
                .map(|past| PastStep {
                    step: past.step,
                    statement: statement_view(past.statement, story),
                    waited_for: past.waited_for,
                    result: result_view(past.result),
                })
                .collect(),
        }
    });
    views.collect()
}

fn actor_state(
    phase: ActorPhase,
    story: Story,
    wait: Option<&(Vec<usize>, Vec<i32>)>,
) -> ActorState {
    match (phase, wait) {
        (ActorPhase::Stopped(statement), _) => {
            ActorState::Stopped(statement_view(statement, story))
        }
        (ActorPhase::Sent(statement), Some((on, others))) => ActorState::Waiting {
            statement: statement_view(statement, story),
            on: on.clone(),
            others: others.clone(),
        },
        (ActorPhase::Ended { message, succeeded }, _) => ActorState::Ended { message, succeeded },
        (ActorPhase::Sent(_) | ActorPhase::Working, _) => ActorState::Working,
    }
}

fn statement_view(statement: StatementText, story: Story) -> Statement {
    Statement {
        highlighted: story.highlights(&statement.sql),
        sql: statement.sql,
        values: statement.values,
    }
}

fn result_view(result: StatementResult) -> StatementResultView {
    match result {
        StatementResult::Done => StatementResultView::Done,
        StatementResult::Affected(rows) => StatementResultView::Affected(rows),
        StatementResult::Rows(cells) => StatementResultView::Rows {
            columns: cells.columns,
            rows: cells.rows,
        },
        StatementResult::Failed { sqlstate, message } => {
            StatementResultView::Failed { sqlstate, message }
        }
    }
}

/// Reads the stock rows of the session's products: the committed values, the values written by open
/// transactions, and the lock holders.
pub async fn rows(
    actors: &[Actor],
    stepped: &SteppedLanes,
    control: &Db,
) -> Result<Vec<RowView>, ShopError> {
    let ids: Vec<_> = stepped.offers.iter().map(|offer| offer.id).collect();
    let pids: Vec<_> = actors.iter().map(|actor| actor.pid).collect();
    let committed = statement_hook::committed_counters(control.reader(), &ids)
        .await
        .map_err(txn::read_error)?;
    let holders = sessions::row_holders(control.reader(), &ids, &pids)
        .await
        .map_err(txn::read_error)?;
    let states: Vec<_> = actors.iter().map(|actor| actor.gate.state()).collect();
    let rows = stepped.offers.iter().zip(&committed).map(|(offer, row)| {
        let holder = holders.iter().find(|holder| holder.product_id == offer.id);
        let written = states.iter().enumerate();
        RowView {
            product: offer.name.clone(),
            committed: gate::counters(row),
            written: written
                .filter_map(|(index, state)| Some((index, *state.written.get(&offer.id)?)))
                .collect(),
            locked_by: holder
                .and_then(|holder| actors.iter().position(|actor| actor.pid == holder.pid)),
        }
    });
    Ok(rows.collect())
}

/// Lists the locks of the session: row locks, which PostgreSQL stores in the rows, and the locks in
/// `pg_locks`.
pub async fn locks(
    actors: &[Actor],
    rows: &[RowView],
    control: &Db,
) -> Result<Vec<LockView>, ShopError> {
    let pids: Vec<_> = actors.iter().map(|actor| actor.pid).collect();
    let held = sessions::locks(control.reader(), &pids)
        .await
        .map_err(txn::read_error)?;
    let on_rows = rows.iter().filter_map(|row| {
        Some(LockView {
            actor: row.locked_by?,
            on: format!("the stock row of {}", row.product),
            mode: "row lock".to_owned(),
            granted: true,
            relevant: true,
        })
    });
    let others = held.iter().filter_map(|lock| lock_view(actors, lock));
    Ok(on_rows.chain(others).collect())
}

fn lock_view(actors: &[Actor], lock: &SessionLock) -> Option<LockView> {
    let actor_of = |pid| actors.iter().position(|actor| actor.pid == pid);
    let relation = lock.relation.as_deref().unwrap_or("nothing");
    let on = match (lock.kind.as_str(), lock.of_pid) {
        ("transactionid", Some(pid)) => match actor_of(pid) {
            Some(owner) => format!(
                "the end of {}’s transaction",
                actors.get(owner)?.role.name(owner)
            ),
            None => format!("the end of the transaction of process {pid}"),
        },
        ("tuple", _) => format!("the next lock on a row of {relation}"),
        ("advisory", _) => "the product’s advisory lock".to_owned(),
        ("relation", _) => relation.to_owned(),
        (kind, _) => format!("{kind} of {relation}"),
    };
    Some(LockView {
        actor: actor_of(lock.pid)?,
        on,
        mode: lock.mode.clone(),
        granted: lock.granted,
        relevant: !lock.granted
            || matches!(lock.kind.as_str(), "tuple" | "advisory")
            || (lock.mode == "SIReadLock" && relation.starts_with("stock")),
    })
}

/// Reads the final counters of each product.
pub async fn outcome(
    stepped: &SteppedLanes,
    rows: &[RowView],
    control: &Db,
) -> Result<StepperOutcome, ShopError> {
    let mut products = Vec::with_capacity(rows.len());
    for (lane, row) in stepped.run.lanes.iter().zip(rows) {
        let counted = store::read_stock_snapshot(control, lane.product_id, lane.id).await?;
        products.push(OutcomeRow {
            product: row.product.clone(),
            counters: row.committed,
            ordered: counted.sold_by_all,
        });
    }
    Ok(StepperOutcome { products })
}
