//! Reads which sessions hold which locks and which sessions wait for them.

mod literals;

use sea_orm::{ConnectionTrait, DbErr};

use self::literals::without_literals;
use super::{
    Db, dialect,
    engine::{Engine, mysql},
};
use crate::model::DbSession;

/// The names of the shop's own sessions begin with it.
const OWN: &str = "doorbuster";

/// Which sessions are queried.
#[derive(Clone, Debug)]
pub enum SessionFilter {
    /// The sessions with these process ids.
    Pids(Vec<i32>),
    /// The sessions with these application names.
    Applications(Vec<String>),
}

impl SessionFilter {
    /// True if it selects the session.
    pub fn selects(&self, session: &DbSession) -> bool {
        match self {
            Self::Pids(pids) => pids.contains(&session.pid),
            Self::Applications(names) => names.contains(&session.application),
        }
    }
}

/// Returns the sessions of this database that `filter` selects, and the sessions for which they
/// wait, directly or through others; ordered by pid.
///
/// The server reads sessions, waits and locks one after the other, not in one snapshot: a lock that
/// changes hands meanwhile may appear twice or not at all. A session that is idle or blocked is
/// described exactly. The querying session itself is never included. A statement is shown without
/// values, which may be personal data. Use a separate pool for `db`: a query that queues behind the
/// sessions that it describes comes too late.
pub async fn sessions(db: &Db, filter: &SessionFilter) -> Result<Vec<DbSession>, DbErr> {
    let engine = db.engine();
    let mut sessions = match engine {
        Engine::Postgres => sessions_of_postgres(db, filter).await?,
        Engine::MySql => {
            mysql::lock_watch::sessions(db.reader(), |session| filter.selects(session)).await?
        }
    };
    for session in &mut sessions {
        // Only PostgreSQL shows the shop's own statements without the values of their parameters.
        if engine == Engine::MySql || !session.application.starts_with(OWN) {
            session.statement = without_literals(&session.statement, engine);
        }
    }
    Ok(sessions)
}

async fn sessions_of_postgres(db: &Db, filter: &SessionFilter) -> Result<Vec<DbSession>, DbErr> {
    let (pids, applications) = match filter {
        SessionFilter::Pids(pids) => (pids.as_slice(), &[][..]),
        SessionFilter::Applications(names) => (&[][..], names.as_slice()),
    };
    let asked = [to_json(&pids)?.into(), to_json(&applications)?.into()];
    let rows = db
        .reader()
        .query_all_raw(dialect::statement(SESSIONS, asked))
        .await?;
    rows.iter()
        .map(|row| from_json(&row.try_get_by_index::<String>(0)?))
        .collect()
}

/// `pg_blocking_pids` is called only for sessions that wait for a lock, because it blocks the lock
/// manager for a moment. `waitstart` exists since PostgreSQL 14, and is read in a way that older
/// servers accept; there, and in the moment before the server sets it, the start of the statement
/// is used instead. `pg_blocking_pids` reports a prepared transaction, which has no session, as 0.
const SESSIONS: &str = r"
WITH RECURSIVE session AS MATERIALIZED (
  SELECT a.*, CASE WHEN a.wait_event_type = 'Lock' THEN array_remove(pg_blocking_pids(a.pid), 0) ELSE '{}' END AS blockers
  FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()),
asked(pid) AS (
  SELECT s.pid FROM session s
  WHERE s.pid IN (SELECT value::int FROM json_array_elements_text($1::json))
     OR s.application_name IN (SELECT value FROM json_array_elements_text($2::json))
  UNION
  SELECT blocker FROM asked JOIN session s ON s.pid = asked.pid CROSS JOIN unnest(s.blockers) AS blocker),
held(pid, since, locks) AS MATERIALIZED (
  SELECT l.pid, min(w.since) FILTER (WHERE NOT l.granted), json_agg(json_build_object(
    'kind', l.locktype, 'mode', l.mode, 'granted', l.granted, 'relation', c.relname,
    'object', CASE l.locktype
      WHEN 'tuple' THEN format('(%s,%s)', l.page, l.tuple)
      WHEN 'page' THEN l.page::text
      WHEN 'transactionid' THEN l.transactionid::text
      WHEN 'virtualxid' THEN l.virtualxid
      WHEN 'advisory' THEN CASE l.objsubid
        WHEN 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
        ELSE format('%s, %s', l.classid::bigint::bit(32)::int, l.objid::bigint::bit(32)::int) END END,
    'waitingMs', CASE WHEN NOT l.granted THEN extract(epoch FROM clock_timestamp() - w.since) * 1000 END)
    ORDER BY l.granted, l.locktype, c.relname, l.mode)
  FROM pg_locks l
  CROSS JOIN LATERAL (SELECT CASE WHEN NOT l.granted THEN (to_jsonb(l) ->> 'waitstart')::timestamptz END) w(since)
  LEFT JOIN pg_class c ON c.oid = l.relation AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  WHERE l.pid IN (SELECT pid FROM asked)
    AND (NOT l.granted OR l.locktype <> 'virtualxid'
      AND (l.relation IS NULL OR c.relkind IN ('r', 'p') AND c.relnamespace <> 'pg_catalog'::regnamespace))
  GROUP BY l.pid)
SELECT json_build_object(
  'pid', s.pid, 'application', s.application_name, 'state', coalesce(s.state, ''), 'statement', s.query,
  'statementMs', extract(epoch FROM clock_timestamp() - s.query_start) * 1000,
  'transactionMs', extract(epoch FROM clock_timestamp() - s.xact_start) * 1000,
  'waitKind', s.wait_event_type, 'waitEvent', s.wait_event,
  'waitingMs', CASE WHEN s.blockers <> '{}'
    THEN extract(epoch FROM clock_timestamp() - coalesce(held.since, s.query_start)) * 1000 END,
  'blockedBy', to_json(s.blockers),
  'locks', coalesce(held.locks, '[]'))::text
FROM session s JOIN asked ON asked.pid = s.pid LEFT JOIN held ON held.pid = s.pid ORDER BY s.pid";

fn to_json<T: serde::Serialize>(value: &T) -> Result<String, DbErr> {
    serde_json::to_string(value).map_err(|error| DbErr::Json(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DbErr> {
    serde_json::from_str(text).map_err(|error| DbErr::Json(error.to_string()))
}
