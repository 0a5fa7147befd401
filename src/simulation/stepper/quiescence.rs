//! Waits for quiescence: until all actors are idle or blocked.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    actor::Actor,
    gate::{ActorPhase, ChangeSignal},
};
use crate::{
    db::{
        Db,
        sessions::{self, SessionLock, SessionWait},
        txn,
    },
    model::ShopError,
};

/// How often the database is asked which sessions wait for a lock.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Longer than the longest backoff between two attempts and than the second after which PostgreSQL
/// detects a deadlock, and shorter than the timeout of a request.
const QUIESCENCE_MAX: Duration = Duration::from_secs(4);
/// A wait for a process outside the session counts only after this time: such waits can be very
/// short, for example for the lock to extend a relation.
const OTHER_PROCESS_WAIT_MS: i64 = 1_000;
/// Added to `deadlock_timeout`: time for the deadlock check itself.
const DEADLOCK_CHECK_MARGIN_MS: i64 = 100;

/// For each waiting actor: the actors and the other processes that block it.
pub type LockWaits = HashMap<usize, (Vec<usize>, Vec<i32>)>;

/// What was seen when the actors became quiescent.
#[derive(Debug, Default)]
pub struct Quiescence {
    pub waits: LockWaits,
    /// The locks of these waits, if the server shows them with the waits.
    pub locks: Vec<SessionLock>,
}

/// Returns once every actor is at a gate, at the end, or blocked by such an actor; or after a
/// timeout.
pub async fn wait_until_quiescent(
    actors: &[Actor],
    product_ids: &[i64],
    control: &Db,
    changes: &ChangeSignal,
) -> Result<Quiescence, ShopError> {
    let deadline = Instant::now() + QUIESCENCE_MAX;
    let first_read = Instant::now() + sessions::waits_are_read_after(control);
    let mut changes = changes.subscribe();
    loop {
        changes.borrow_and_update();
        let active = active_actors(actors);
        if active.is_empty() {
            return Ok(Quiescence::default());
        }
        let now = Instant::now();
        let is_working = active.values().any(|in_statement| !in_statement);
        if now < first_read || (is_working && now <= deadline) {
            // No wait could end this loop.
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep_until(first_read.max(now + POLL_INTERVAL)) => {}
            }
            continue;
        }
        // Queried after the gates were read: an actor that is at a gate by now has released every
        // lock that its last statement released.
        let (waits, locks) = waits(actors, product_ids, control).await?;
        let still = active.iter().all(|(index, in_statement)| {
            *in_statement && is_blocked(*index, &waits, &active, &mut Vec::new())
        });
        if still || Instant::now() > deadline {
            let waits: LockWaits = waits
                .into_iter()
                .map(|(index, wait)| (index, (wait.actors, wait.other_pids)))
                .collect();
            for (index, (on, _)) in &waits {
                if let Some(actor) = actors.get(*index) {
                    actor.gate.record_blockers(on.iter().copied());
                }
            }
            return Ok(Quiescence { waits, locks });
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Waits until PostgreSQL has run its deadlock check for every current wait. It checks each wait
/// once and aborts the session that closes a cycle at that time. So the last session to wait is
/// always the victim, and the story always has the same outcome. InnoDB checks when a wait begins.
pub async fn wait_for_deadlock_check(actors: &[Actor], control: &Db) -> Result<(), ShopError> {
    let reader = control.reader();
    let timeout_ms = sessions::deadlock_timeout_ms(reader)
        .await
        .map_err(txn::read_error)?;
    let Some(timeout_ms) = timeout_ms else {
        return Ok(());
    };
    let deadline = Instant::now() + QUIESCENCE_MAX;
    loop {
        let (waits, _) = waits(actors, &[], control).await?;
        let is_checked = |wait: &LockWait| wait.waited_ms > timeout_ms + DEADLOCK_CHECK_MARGIN_MS;
        if waits.values().all(is_checked) || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The actors that are neither at a gate nor at the end, and whether a statement of theirs is
/// running.
fn active_actors(actors: &[Actor]) -> HashMap<usize, bool> {
    let states = actors.iter().map(|actor| actor.gate.state().phase);
    states
        .enumerate()
        .filter_map(|(index, phase)| match phase {
            ActorPhase::Working => Some((index, false)),
            ActorPhase::Sent(_) => Some((index, true)),
            ActorPhase::Stopped(_) | ActorPhase::Ended { .. } => None,
        })
        .collect()
}

#[derive(Debug)]
struct LockWait {
    actors: Vec<usize>,
    other_pids: Vec<i32>,
    waited_ms: i64,
}

async fn waits(
    actors: &[Actor],
    product_ids: &[i64],
    control: &Db,
) -> Result<(HashMap<usize, LockWait>, Vec<SessionLock>), ShopError> {
    let pids: Vec<_> = actors.iter().map(|actor| actor.pid).collect();
    let seen = sessions::session_waits(control.reader(), &pids, product_ids)
        .await
        .map_err(txn::read_error)?;
    let actor_of = |pid: i32| pids.iter().position(|known| *known == pid);
    let wait = |session: SessionWait| {
        if session.blocked_by.is_empty() {
            return None;
        }
        let (mut on, mut other_pids) = (Vec::new(), Vec::new());
        for pid in session.blocked_by {
            match actor_of(pid) {
                Some(actor) if on.contains(&actor) => {}
                Some(actor) => on.push(actor),
                None => other_pids.push(pid),
            }
        }
        on.sort_unstable();
        // Such a lock is released as soon as its holder's transaction has ended.
        let mut holders = on.iter().filter_map(|actor| actors.get(*actor));
        if session.is_of_session && holders.any(|actor| !actor.gate.state().in_transaction) {
            return None;
        }
        let wait = LockWait {
            actors: on,
            other_pids,
            waited_ms: session.waited_ms,
        };
        Some((actor_of(session.pid)?, wait))
    };
    let waits = seen.waits.into_iter().filter_map(wait).collect();
    Ok((waits, seen.locks))
}

/// Whether actor `index` is blocked until someone takes a step: it waits, and every actor it waits
/// for is at a gate, at the end, or blocked. Actors in a deadlock do not count as blocked: the
/// database will abort one of them.
fn is_blocked(
    index: usize,
    waits: &HashMap<usize, LockWait>,
    active: &HashMap<usize, bool>,
    path: &mut Vec<usize>,
) -> bool {
    let Some(wait) = waits.get(&index) else {
        return false;
    };
    if path.contains(&index)
        || (!wait.other_pids.is_empty() && wait.waited_ms < OTHER_PROCESS_WAIT_MS)
    {
        return false;
    }
    path.push(index);
    let all_blocked = wait
        .actors
        .iter()
        .all(|on| !active.contains_key(on) || is_blocked(*on, waits, active, path));
    path.pop();
    all_blocked
}
