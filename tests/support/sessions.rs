//! What the other sessions of a test's database do, as its engine shows it.

use std::time::{Duration, Instant};

use doorbuster::db::engine::{Engine, mysql};
use sea_orm::{DbErr, FromQueryResult};

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

/// The list of transactions is refreshed only if it was not read for 100 ms.
const ON_MYSQL: &str = "\
    SELECT CAST(p.ID AS SIGNED) AS id, '' AS name, p.COMMAND IN ('Query', 'Execute') AS is_active, \
      t.trx_id IS NOT NULL AS is_in_transaction, \
      COALESCE(t.trx_state, '') = 'LOCK WAIT' \
        OR COALESCE(p.STATE, '') IN ('User lock', 'Waiting for table metadata lock') AS is_blocked, \
      COALESCE(p.INFO, '') AS statement \
    FROM (SELECT SLEEP(0.12) AS waited) w \
    STRAIGHT_JOIN information_schema.PROCESSLIST p \
    LEFT JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID \
    WHERE p.DB = DATABASE() AND p.ID <> CONNECTION_ID() AND w.waited = 0";

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
            for session in &mut sessions {
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
