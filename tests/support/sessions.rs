//! What the other sessions of a test's database do, as its engine shows it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use doorbuster::db::engine::{Engine, mysql};
use sea_orm::{DbErr, FromQueryResult, QueryResult};

use super::{PATIENCE, database::ByHand};

/// A session other than that of the test.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Session {
    pub id: i64,
    /// Its application name. MySQL has none: there, only sessions of this process have one.
    pub name: String,
    /// Whether it executes a statement.
    pub is_active: bool,
    pub is_in_transaction: bool,
    /// Whether it waits for a lock.
    pub is_blocked: bool,
    /// The statement that it executes or, on PostgreSQL, the last one.
    pub statement: String,
}

impl Session {
    /// Its id, as the lock view shows it.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.id).expect("a small number")
    }
}

const ON_POSTGRES: &str = "\
    SELECT pid::bigint AS id, coalesce(application_name, '') AS name, coalesce(state = 'active', false) AS is_active, \
      xact_start IS NOT NULL OR backend_xmin IS NOT NULL AS is_in_transaction, \
      cardinality(pg_blocking_pids(pid)) > 0 AS is_blocked, coalesce(query, '') AS statement \
    FROM pg_stat_activity \
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";

/// Without what only [`InnodbStatus`] knows.
const ON_MYSQL: &str = "\
    SELECT CAST(ID AS SIGNED) AS id, '' AS name, COMMAND IN ('Query', 'Execute') AS is_active, \
      FALSE AS is_in_transaction, \
      COALESCE(STATE, '') IN ('User lock', 'Waiting for table metadata lock') AS is_blocked, \
      COALESCE(INFO, '') AS statement \
    FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()";

/// What InnoDB reports about itself at this moment. The table `INNODB_TRX` is refreshed only if it
/// was not read for 100 ms, by any test: each look would have to wait for longer than that.
struct InnodbStatus(String);

impl FromQueryResult for InnodbStatus {
    fn from_query_result(row: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        // The first two columns are the type and the name of the engine.
        row.try_get_by_index(2).map(Self)
    }
}

impl InnodbStatus {
    /// Returns the sessions with an open transaction, and whether it waits for a lock.
    fn transactions(&self) -> HashMap<i64, bool> {
        let (_, list) = self
            .0
            .split_once("LIST OF TRANSACTIONS FOR EACH SESSION:")
            .expect("InnoDB lists its transactions");
        let transactions = list.split("\n---TRANSACTION ").skip(1);
        transactions
            .filter_map(|transaction| {
                // The statement follows, which may contain any word.
                let (state, session) = transaction.split_once(" thread id ")?;
                let id = session.split(',').next()?.parse().ok()?;
                let is_open = !state.contains("not started");
                is_open.then(|| (id, state.contains("\nLOCK WAIT ")))
            })
            .collect()
    }
}

/// Returns the id of this session, as the lock view shows it.
pub async fn own_pid(by_hand: &ByHand) -> i32 {
    let id: i64 = by_hand
        .value(match by_hand.engine() {
            Engine::Postgres => "SELECT pg_backend_pid()::bigint",
            Engine::MySql => "SELECT CAST(CONNECTION_ID() AS SIGNED)",
        })
        .await;
    i32::try_from(id).expect("a small number")
}

/// Returns the other sessions of this database.
pub async fn all(by_hand: &ByHand) -> Vec<Session> {
    match by_hand.engine() {
        Engine::Postgres => {
            // In a transaction, the server would show the sessions as they were at the first look.
            by_hand.run("SELECT pg_stat_clear_snapshot()").await;
            by_hand.rows(ON_POSTGRES).await
        }
        Engine::MySql => {
            let server: String = by_hand
                .value("SELECT CONCAT(@@hostname, ':', @@port)")
                .await;
            let mut sessions: Vec<Session> = by_hand.rows(ON_MYSQL).await;
            let status: Vec<InnodbStatus> = by_hand.rows("SHOW ENGINE INNODB STATUS").await;
            let transactions = status[0].transactions();
            for session in &mut sessions {
                let waits = transactions.get(&session.id);
                session.is_in_transaction = waits.is_some();
                session.is_blocked |= waits == Some(&true);
                let name = mysql::sessions::name_of(&server, session.id);
                session.name = name.map_or_else(String::new, |name| name.to_string());
            }
            sessions
        }
    }
}

/// Terminates a session.
pub async fn end(by_hand: &ByHand, id: i64) {
    let ended = try_end(by_hand, id).await;
    ended.expect("the session exists");
}

/// The same for a session that may have ended meanwhile, which is an error on MySQL.
pub async fn try_end(by_hand: &ByHand, id: i64) -> Result<u64, DbErr> {
    by_hand
        .try_run(&match by_hand.engine() {
            Engine::Postgres => format!("SELECT pg_terminate_backend({id})"),
            Engine::MySql => format!("KILL {id}"),
        })
        .await
}

/// True for the sessions of a run's buyers.
pub fn is_of_a_run(session: &Session) -> bool {
    session.name.starts_with("doorbuster simulation ")
}

/// Counts the sessions that fulfil a condition.
pub async fn count(by_hand: &ByHand, is_meant: impl Fn(&Session) -> bool) -> usize {
    let sessions = all(by_hand).await;
    sessions.iter().filter(|session| is_meant(session)).count()
}

/// Waits until `is_enough` of the number of sessions that fulfil a condition.
pub async fn wait_until(
    by_hand: &ByHand,
    what: &str,
    is_meant: impl Fn(&Session) -> bool,
    is_enough: impl Fn(usize) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = count(by_hand, &is_meant).await;
        if is_enough(now) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{now} sessions {what} after {PATIENCE:?}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until no session is in a transaction between two statements. One that stays open fails the
/// test; on MySQL, what the server shows is a moment old.
pub async fn wait_until_no_transaction_is_idle(by_hand: &ByHand) {
    let is_idle = |session: &Session| session.is_in_transaction && !session.is_active;
    wait_until(by_hand, "idle in a transaction", is_idle, |count| {
        count == 0
    })
    .await;
}
