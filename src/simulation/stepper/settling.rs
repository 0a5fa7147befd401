//! Waiting until everybody stands still.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    cast::Actor,
    gate::{Bell, Now},
};
use crate::{
    db::{
        Db,
        sessions::{self, Standing},
        txn,
    },
    model::ShopError,
};

/// Between two questions to the database about who waits.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// Longer than the longest pause between two attempts and the second after which a deadlock is found, and short of what a request may take.
const SETTLE_MAX: Duration = Duration::from_secs(4);
/// Somebody who waits for a session outside of the story has to wait this long before that counts: locks on the end of a file come and go.
const STRANGER_WAIT_MS: i64 = 1_000;
/// Beyond the database's own time, for its look at who waits.
const DEADLOCK_CHECK_MARGIN_MS: i64 = 100;

/// Who waits, and for whom: for actors, and for processes that are none.
pub type Waits = HashMap<usize, (Vec<usize>, Vec<i32>)>;

/// Returns once everybody is at a gate, at the end, or at a lock of somebody who is; or when that takes too long.
///
/// # Errors
/// What a database failure means.
pub async fn settle(actors: &[Actor], control: &Db, bell: &Bell) -> Result<Waits, ShopError> {
    let deadline = Instant::now() + SETTLE_MAX;
    let mut bell = bell.subscribe();
    loop {
        bell.borrow_and_update();
        let moving = moving(actors);
        if moving.is_empty() {
            return Ok(Waits::new());
        }
        // Asked after the gates were looked at: whoever has come to a gate by now has let go what its last statement let go.
        let waits = waits(actors, control).await?;
        let still = moving.iter().all(|(index, in_statement)| {
            *in_statement && stands(*index, &waits, &moving, &mut Vec::new())
        });
        if still || Instant::now() > deadline {
            let waits: Waits = waits
                .into_iter()
                .map(|(index, wait)| (index, (wait.actors, wait.strangers)))
                .collect();
            for (index, (on, _)) in &waits {
                if let Some(actor) = actors.get(*index) {
                    actor.gate.waits_for(on.iter().copied());
                }
            }
            return Ok(waits);
        }
        tokio::select! {
            _ = bell.changed() => {}
            () = tokio::time::sleep(POLL_EVERY) => {}
        }
    }
}

/// Waits until the database has looked at every wait that there is: it looks once, and ends whoever it finds closing a circle by then. So it is
/// always the last to come, and the story goes the same way every time.
///
/// # Errors
/// What a database failure means.
pub async fn let_waits_be_looked_at(actors: &[Actor], control: &Db) -> Result<(), ShopError> {
    let reader = control.reader();
    let timeout_ms = sessions::deadlock_timeout_ms(reader)
        .await
        .map_err(txn::read_error)?;
    let deadline = Instant::now() + SETTLE_MAX;
    loop {
        let waits = waits(actors, control).await?;
        let looked_at = |wait: &Wait| wait.waited_ms > timeout_ms + DEADLOCK_CHECK_MARGIN_MS;
        if waits.values().all(looked_at) || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

/// Those who are neither at a gate nor at the end, and whether they are in a statement.
fn moving(actors: &[Actor]) -> HashMap<usize, bool> {
    let states = actors.iter().map(|actor| actor.gate.known().now);
    states
        .enumerate()
        .filter_map(|(index, now)| match now {
            Now::Working => Some((index, false)),
            Now::Sent(_) => Some((index, true)),
            Now::Stopped(_) | Now::Ended { .. } => None,
        })
        .collect()
}

#[derive(Debug)]
struct Wait {
    actors: Vec<usize>,
    strangers: Vec<i32>,
    waited_ms: i64,
}

async fn waits(actors: &[Actor], control: &Db) -> Result<HashMap<usize, Wait>, ShopError> {
    let pids: Vec<_> = actors.iter().map(|actor| actor.pid).collect();
    let standings = sessions::standings(control.reader(), &pids)
        .await
        .map_err(txn::read_error)?;
    let actor_of = |pid: i32| pids.iter().position(|known| *known == pid);
    let wait = |standing: Standing| {
        if standing.blocked_by.is_empty() {
            return None;
        }
        let (mut on, mut strangers) = (Vec::new(), Vec::new());
        for pid in standing.blocked_by {
            match actor_of(pid) {
                Some(actor) if on.contains(&actor) => {}
                Some(actor) => on.push(actor),
                None => strangers.push(pid),
            }
        }
        on.sort_unstable();
        let wait = Wait {
            actors: on,
            strangers,
            waited_ms: standing.waited_ms,
        };
        Some((actor_of(standing.pid)?, wait))
    };
    Ok(standings.into_iter().filter_map(wait).collect())
}

/// Whether actor `index` will not move unless somebody takes a step: it waits, and all that it waits for stand still. Those who wait for
/// each other do not: the database will end one of them.
fn stands(
    index: usize,
    waits: &HashMap<usize, Wait>,
    moving: &HashMap<usize, bool>,
    path: &mut Vec<usize>,
) -> bool {
    let Some(wait) = waits.get(&index) else {
        return false;
    };
    if path.contains(&index) || (!wait.strangers.is_empty() && wait.waited_ms < STRANGER_WAIT_MS) {
        return false;
    }
    path.push(index);
    let stand = wait
        .actors
        .iter()
        .all(|on| !moving.contains_key(on) || stands(*on, waits, moving, path));
    path.pop();
    stand
}
