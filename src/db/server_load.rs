//! What a database server shows of the load on it: transactions that are open for long or idle,
//! dead rows of the table that every purchase changes, and its connections.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::{
    dialect,
    engine::{Engine, mysql},
};

/// The load at one moment, without the sessions that are idle on purpose: those of the stepper, and
/// the lock of the full audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromQueryResult)]
pub struct ServerLoad {
    /// Sessions that have been idle in a transaction for more than two seconds.
    pub idle_in_transaction: i64,
    /// The age of the oldest open transaction, in microseconds.
    pub longest_transaction_us: i64,
    /// Dead rows of the table `stock`; on MySQL and MariaDB, the transactions whose old versions of
    /// rows were not removed yet.
    pub dead_rows: i64,
}

/// Reads the load. On MySQL and MariaDB it requires the privilege `PROCESS`.
pub async fn read<C: ConnectionTrait>(connection: &C) -> Result<ServerLoad, DbErr> {
    let sql = match Engine::of(connection) {
        Engine::Postgres => on_postgres(),
        Engine::MySql => mysql::server::LOAD.to_owned(),
    };
    ServerLoad::find_by_statement(dialect::statement(&sql, []))
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("no row for the server's load".to_owned()))
}

/// The connections of all clients of the server, without those that it reserves for superusers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct ServerConnections {
    pub used: i64,
    /// How many more the server accepts.
    pub free: i64,
}

/// Counts the connections. On MySQL and MariaDB it requires the privilege `PROCESS`; without it, it
/// counts those of the own account.
pub async fn connections<C: ConnectionTrait>(connection: &C) -> Result<ServerConnections, DbErr> {
    let sql = match Engine::of(connection) {
        Engine::Postgres => {
            "SELECT count(*) AS used, \
                    CAST(current_setting('max_connections') AS integer) \
                      - CAST(current_setting('superuser_reserved_connections') AS integer) \
                      - count(*) AS free \
             FROM pg_stat_activity WHERE backend_type = 'client backend'"
        }
        Engine::MySql => mysql::server::CONNECTIONS,
    };
    ServerConnections::find_by_statement(dialect::statement(sql, []))
        .one(connection)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound("no row for the server's connections".to_owned()))
}

fn on_postgres() -> String {
    let age = dialect::microseconds_between("a.xact_start", "clock_timestamp()");
    let idle_for = dialect::microseconds_between("a.state_change", "clock_timestamp()");
    format!(
        "SELECT count(CASE WHEN a.state LIKE 'idle in transaction%' AND {idle_for} > 2000000 THEN 1 END) \
                  AS idle_in_transaction, \
                coalesce(max({age}), 0) AS longest_transaction_us, \
                coalesce((SELECT t.n_dead_tup FROM pg_stat_user_tables t \
                          WHERE t.relname = 'stock' AND t.schemaname = current_schema()), 0) AS dead_rows \
         FROM pg_stat_activity a \
         WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() \
           AND a.application_name NOT LIKE 'doorbuster audit%' \
           AND a.application_name NOT LIKE 'doorbuster stepper%'"
    )
}
