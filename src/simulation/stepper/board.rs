//! What the page shows of a session: put together from the gates, and from what the database says at this moment.

use super::{
    cast::Actor,
    gate::{self, Known, Now},
    settling::Waits,
};
use crate::{
    db::{
        Db,
        sessions::{self, HeldLock},
        stops::{self, Heard, Said},
        txn,
    },
    model::{
        ShopError,
        stepper::{
            ActorState, ActorView, Answer, LockView, Outcome, OutcomeRow, PastStep, RowView,
            Statement, Story,
        },
    },
    simulation::store::{self, SteppedGround},
};

/// Where everybody stands.
pub fn actors(actors: &[Actor], story: Story, waits: &Waits) -> Vec<ActorView> {
    let views = actors.iter().enumerate().map(|(index, actor)| {
        let Known { now, past, .. } = actor.gate.known();
        ActorView {
            name: actor.role.name(index),
            does: actor.role.does(index),
            note: actor.role.note().map(ToOwned::to_owned),
            pid: actor.pid,
            state: state(now, story, waits.get(&index)),
            past: past
                .into_iter()
                .map(|past| PastStep {
                    step: past.step,
                    statement: statement(past.said, story),
                    waited_for: past.waited_for,
                    answer: answer(past.heard),
                })
                .collect(),
        }
    });
    views.collect()
}

fn state(now: Now, story: Story, wait: Option<&(Vec<usize>, Vec<i32>)>) -> ActorState {
    match (now, wait) {
        (Now::Stopped(said), _) => ActorState::Stopped(statement(said, story)),
        (Now::Sent(said), Some((on, others))) => ActorState::Waiting {
            statement: statement(said, story),
            on: on.clone(),
            others: others.clone(),
        },
        (Now::Ended { told, served }, _) => ActorState::Ended { told, served },
        (Now::Sent(_) | Now::Working, _) => ActorState::Working,
    }
}

fn statement(said: Said, story: Story) -> Statement {
    Statement {
        matters: story.is_about(&said.sql),
        sql: said.sql,
        values: said.values,
    }
}

fn answer(heard: Heard) -> Answer {
    match heard {
        Heard::Done => Answer::Done,
        Heard::Affected(rows) => Answer::Affected(rows),
        Heard::Rows(cells) => Answer::Rows {
            columns: cells.columns,
            rows: cells.rows,
        },
        Heard::Failed { sqlstate, message } => Answer::Failed { sqlstate, message },
    }
}

/// The rows of the session's products: committed, and as open transactions have written them; and who has them locked.
///
/// # Errors
/// What a database failure means.
pub async fn rows(
    actors: &[Actor],
    ground: &SteppedGround,
    control: &Db,
) -> Result<Vec<RowView>, ShopError> {
    let ids: Vec<_> = ground.offers.iter().map(|offer| offer.id).collect();
    let pids: Vec<_> = actors.iter().map(|actor| actor.pid).collect();
    let committed = stops::committed(control.reader(), &ids)
        .await
        .map_err(txn::read_error)?;
    let holders = sessions::row_holders(control.reader(), &ids, &pids)
        .await
        .map_err(txn::read_error)?;
    let known: Vec<_> = actors.iter().map(|actor| actor.gate.known()).collect();
    let rows = ground.offers.iter().zip(&committed).map(|(offer, row)| {
        let holder = holders.iter().find(|holder| holder.product_id == offer.id);
        let written = known.iter().enumerate();
        RowView {
            product: offer.name.clone(),
            committed: gate::counters(row),
            written: written
                .filter_map(|(index, known)| Some((index, *known.written.get(&offer.id)?)))
                .collect(),
            locked_by: holder
                .and_then(|holder| actors.iter().position(|actor| actor.pid == holder.pid)),
        }
    });
    Ok(rows.collect())
}

/// The locks of the session: those on rows, which stand in the rows, and those that `pg_locks` has.
///
/// # Errors
/// What a database failure means.
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
            telling: true,
        })
    });
    let others = held.iter().filter_map(|lock| lock_view(actors, lock));
    Ok(on_rows.chain(others).collect())
}

fn lock_view(actors: &[Actor], lock: &HeldLock) -> Option<LockView> {
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
        ("tuple", _) => format!("the next turn at a row of {relation}"),
        ("advisory", _) => "the product’s name (advisory)".to_owned(),
        ("relation", _) => relation.to_owned(),
        (kind, _) => format!("{kind} of {relation}"),
    };
    Some(LockView {
        actor: actor_of(lock.pid)?,
        on,
        mode: lock.mode.clone(),
        granted: lock.granted,
        telling: !lock.granted
            || matches!(lock.kind.as_str(), "tuple" | "advisory")
            || (lock.mode == "SIReadLock" && relation.starts_with("stock")),
    })
}

/// What became of each product.
///
/// # Errors
/// What a database failure means.
pub async fn outcome(
    ground: &SteppedGround,
    rows: &[RowView],
    control: &Db,
) -> Result<Outcome, ShopError> {
    let mut products = Vec::with_capacity(rows.len());
    for (lane, row) in ground.run.lanes.iter().zip(rows) {
        let counted = store::ground(control, lane.product_id, lane.id).await?;
        products.push(OutcomeRow {
            product: row.product.clone(),
            counters: row.committed,
            ordered: counted.sold_by_all,
        });
    }
    Ok(Outcome { products })
}
