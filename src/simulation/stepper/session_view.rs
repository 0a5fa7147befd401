//! Builds the page's view of a session from the gates and from the current state of the database.

use super::{
    actor::Actor,
    gate::{self, ActorPhase, GateState},
    quiescence::LockWaits,
};
use crate::{
    db::{
        Db,
        sessions::{self, RowHolder, SessionLock},
        statement_hook::{self, StatementResult, StatementText},
        txn,
    },
    model::{
        ShopError,
        stepper::{
            ActorState, ActorView, LockKind, LockView, OutcomeRow, PastStep, RowView, Statement,
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
    let states: Vec<_> = actors.iter().map(|actor| actor.gate.state()).collect();
    let claims = pids.iter().zip(&states).flat_map(|(pid, state)| {
        let rows = state.claims.rows();
        rows.map(move |(product_id, is_exclusive)| RowHolder {
            product_id,
            pid: *pid,
            is_exclusive,
        })
    });
    let claims: Vec<_> = claims.collect();
    let holders = sessions::row_holders(control, &ids, &pids, &claims)
        .await
        .map_err(txn::read_error)?;
    let actor_of = |holder: &RowHolder| pids.iter().position(|pid| *pid == holder.pid);
    let rows = stepped.offers.iter().zip(&committed).map(|(offer, row)| {
        let of_row = holders.iter().filter(|one| one.product_id == offer.id);
        let (exclusive, shared): (Vec<_>, Vec<_>) = of_row.partition(|one| one.is_exclusive);
        let written = states.iter().enumerate();
        RowView {
            product: offer.name.clone(),
            committed: gate::counters(row),
            written: written
                .filter_map(|(index, state)| Some((index, *state.written.get(&offer.id)?)))
                .collect(),
            locked_by: exclusive.into_iter().find_map(actor_of),
            shared_by: shared.into_iter().filter_map(actor_of).collect(),
        }
    });
    Ok(rows.collect())
}

/// Lists the locks of the session: those of the stock rows, those that were `seen` with the waits,
/// and those that the server lists of its sessions.
pub async fn locks(
    actors: &[Actor],
    rows: &[RowView],
    seen: Vec<SessionLock>,
    control: &Db,
) -> Result<Vec<LockView>, ShopError> {
    let pids: Vec<_> = actors.iter().map(|actor| actor.pid).collect();
    let mut others = seen;
    others.extend(
        sessions::locks(control.reader(), &pids)
            .await
            .map_err(txn::read_error)?,
    );
    let mut views = Vec::new();
    for row in rows {
        let exclusive = row.locked_by.iter();
        views.extend(exclusive.map(|actor| row_lock_view(row, *actor, "row lock")));
        let shared = row.shared_by.iter();
        views.extend(shared.map(|actor| row_lock_view(row, *actor, "shared row lock")));
    }
    views.extend(others.iter().filter_map(|lock| lock_view(actors, lock)));
    Ok(views)
}

fn row_lock_view(row: &RowView, actor: usize, mode: &str) -> LockView {
    LockView {
        actor,
        kind: LockKind::Row,
        on: format!("the stock row of {}", row.product),
        mode: mode.to_owned(),
        granted: true,
        relevant: true,
    }
}

fn lock_view(actors: &[Actor], lock: &SessionLock) -> Option<LockView> {
    let actor_of = |pid| actors.iter().position(|actor| actor.pid == pid);
    let relation = lock.relation.as_deref().unwrap_or("nothing");
    let on = match (lock.kind, lock.of_pid) {
        // A lock on a stock row that is held is listed with the row.
        (LockKind::Row, _) if lock.granted && lock.word == "record" && relation == "stock" => {
            return None;
        }
        (LockKind::Row, None) if lock.word == "record" => match &lock.row {
            Some(row) => format!("row {row} of {relation}"),
            None => format!("a row of {relation}"),
        },
        (LockKind::Row, None) if lock.word == "gap" => format!("a gap between rows of {relation}"),
        (LockKind::Row, Some(pid)) => match actor_of(pid) {
            Some(owner) => format!(
                "the end of {}’s transaction",
                actors.get(owner)?.role.name(owner)
            ),
            None => format!("the end of the transaction of process {pid}"),
        },
        (LockKind::Queue, _) => format!("the next lock on a row of {relation}"),
        (LockKind::Named, _) => format!("the product’s {} lock", lock.word),
        (LockKind::Table, _) => relation.to_owned(),
        (LockKind::Row | LockKind::Other, _) => format!("{} of {relation}", lock.word),
    };
    Some(LockView {
        actor: actor_of(lock.pid)?,
        kind: lock.kind,
        on,
        mode: lock.mode.clone(),
        granted: lock.granted,
        relevant: !lock.granted
            || matches!(lock.kind, LockKind::Row | LockKind::Queue | LockKind::Named)
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
