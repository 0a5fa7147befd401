//! Connections that may be in a bad way are looked at before they go back into their pool.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::sqlx::{self, Connection, Executor};
use tokio::time::timeout;

/// How long a connection may take to roll back on its way into the pool.
const RELEASE_MAX: Duration = Duration::from_secs(1);

/// How long lines are suspected after a read got no answer: until the other reads of that moment are over too.
const SUSPICION_STANDS: Duration = Duration::from_secs(30);

/// Whether connections may be in a bad way: for a while after one was given up.
#[derive(Clone, Debug, Default)]
pub struct Suspicion(Arc<Mutex<Option<Instant>>>);

impl Suspicion {
    /// For a while from now on.
    pub fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn stands(&self) -> bool {
        let raised = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        raised.is_some_and(|raised| raised.elapsed() < SUSPICION_STANDS)
    }
}

/// A future dropped inside `begin` leaves a transaction open on its connection (sqlx #4393): the next one to take it would then write
/// into a transaction that nobody commits. Transactions run in tasks of their own, and only a passed deadline drops one half way: while that may have
/// happened, no connection goes back into the pool before it has been rolled back; one that cannot say so in time is on a dead line, and is
/// thrown away, or it would keep its place in the pool until the network notices. Rolling back always would cost every purchase a round trip.
///
/// A bare ROLLBACK would do, but outside of a transaction, which is the rule, the server logs a warning for each.
pub async fn roll_back(
    connection: &mut sqlx::PgConnection,
    half_done: &Suspicion,
) -> Result<bool, sqlx::Error> {
    if !half_done.stands() {
        return Ok(true);
    }
    match timeout(RELEASE_MAX, connection.execute("BEGIN; ROLLBACK")).await {
        Ok(result) => result.map(|_| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

/// The driver pings a connection on its way into the pool, without a limit: on a dead line that would keep its place in the pool until
/// the network notices. So while lines are suspected, this one asks first, and is bounded; asking always would cost every read another
/// round trip.
pub async fn still_answers(
    connection: &mut sqlx::PgConnection,
    suspicion: &Suspicion,
) -> Result<bool, sqlx::Error> {
    if !suspicion.stands() {
        return Ok(true);
    }
    match timeout(RELEASE_MAX, connection.ping()).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
