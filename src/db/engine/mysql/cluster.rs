//! A Galera cluster. Its nodes share neither named locks nor row locks: each node checks at COMMIT
//! whether another one has written the same rows, and only writes are compared. A row that a
//! transaction has only locked, with `FOR UPDATE`, conflicts with nothing on another node.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, Statement,
    sqlx::{
        self, Connection, Executor, MySqlConnection, MySqlPool, Row,
        mysql::{MySqlConnectOptions, MySqlDatabaseError},
    },
};
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use uuid::Uuid;

use super::{errors, server::SYNCED};
use crate::db::connect::health::answer_within;

/// Whether this process has a connection to a node of a cluster. It uses one database.
static IS_CLUSTER: AtomicBool = AtomicBool::new(false);
/// When a new connection last found no cluster.
static NO_CLUSTER_AT: std::sync::Mutex<Option<Instant>> = std::sync::Mutex::new(None);
/// How long that is valid. A server can become a node when it is started again, and a node that
/// joins is one without the others at first.
const NO_CLUSTER_FOR: Duration = Duration::from_secs(10);

const STATUS: &str = "\
    SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_size', 'wsrep_cluster_state_uuid', \
      'wsrep_local_state_comment', 'wsrep_local_cert_failures', 'wsrep_local_bf_aborts')";

/// The rows that stand for named locks. Two locks with the same row exclude each other, which is
/// slower but never wrong.
const SLOTS: i64 = 1_024;
/// Writes the row of a named lock: of two transactions on two nodes, only one can commit.
const WRITE_SLOT: &str = "INSERT INTO cluster_lock (slot, taken) VALUES (?, 1) \
                          ON DUPLICATE KEY UPDATE taken = taken + 1";

/// Takes a lease that is free or has ended, or renews the holder's own. The second assignment sees
/// the result of the first.
const TAKE_LEASE: &str = "\
    INSERT INTO cluster_lease (name, holder, ends_at) \
    VALUES (?, ?, UTC_TIMESTAMP(6) + INTERVAL 10 SECOND) \
    ON DUPLICATE KEY UPDATE \
      holder = IF(ends_at < UTC_TIMESTAMP(6), VALUES(holder), holder), \
      ends_at = IF(holder = VALUES(holder), VALUES(ends_at), ends_at)";
const IS_LEASE_HELD: &str =
    "SELECT CAST(COUNT(*) AS SIGNED) FROM cluster_lease WHERE name = ? AND holder = ?";
const END_LEASE: &str = "DELETE FROM cluster_lease WHERE name = ? AND holder = ?";
/// How often a lease is renewed: several times before it ends.
const RENEWED_EVERY: Duration = Duration::from_secs(2);
/// How long taking or renewing a lease may take, with a new connection if the last one is lost. One
/// attempt may fail before the lease ends.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How often a lease that another session holds is tried.
const TRIED_EVERY: Duration = Duration::from_millis(250);
/// How often a statement that conflicts with another node is sent.
const ATTEMPTS_MAX: u32 = 10;

/// Notes whether the server of a new connection is a node of a cluster. A pool opens many
/// connections at once, so the server is not asked on each of them.
///
/// # Errors
/// The error of the driver.
pub async fn recognize(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    if IS_CLUSTER.load(Ordering::Relaxed) {
        return Ok(true);
    }
    if no_cluster_at().is_some_and(|at| at.elapsed() < NO_CLUSTER_FOR) {
        return Ok(false);
    }
    // A server without a cluster has no such status, or a size of 0.
    let size = "SHOW GLOBAL STATUS LIKE 'wsrep_cluster_size'";
    let row = connection.fetch_optional(size).await?;
    let size: Option<String> = row.map(|row| row.try_get(1)).transpose()?;
    let is_cluster = size.is_some_and(|size| size != "0");
    if is_cluster {
        IS_CLUSTER.store(true, Ordering::Relaxed);
    } else {
        *no_cluster_at() = Some(Instant::now());
    }
    Ok(is_cluster)
}

fn no_cluster_at() -> std::sync::MutexGuard<'static, Option<Instant>> {
    NO_CLUSTER_AT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this transaction exclude every other one, on any node, that calls this with the same key:
/// the one that commits last fails with a retryable error. Does nothing without a cluster.
pub async fn exclude<C: ConnectionTrait>(connection: &C, key: i64) -> Result<(), DbErr> {
    if !IS_CLUSTER.load(Ordering::Relaxed) {
        return Ok(());
    }
    let slot = key.rem_euclid(SLOTS);
    let write = Statement::from_sql_and_values(DatabaseBackend::MySql, WRITE_SLOT, [slot.into()]);
    connection.execute_raw(write).await.map(drop)
}

/// What a node says about itself.
#[derive(Debug, Default)]
pub struct NodeStatus {
    /// The nodes that it can reach, itself included; 0 without a cluster.
    pub size: u32,
    /// The id of the cluster.
    pub cluster: String,
    pub state: String,
    pub certification_failures: u64,
    pub rolled_back: u64,
}

impl NodeStatus {
    /// Whether it has its data and belongs to the majority.
    pub fn is_synced(&self) -> bool {
        self.state == SYNCED
    }

    fn set(&mut self, name: &str, value: String) {
        match name {
            "wsrep_cluster_size" => self.size = value.parse().unwrap_or(0),
            "wsrep_cluster_state_uuid" => self.cluster = value,
            "wsrep_local_state_comment" => self.state = value,
            "wsrep_local_cert_failures" => {
                self.certification_failures = value.parse().unwrap_or(0);
            }
            "wsrep_local_bf_aborts" => self.rolled_back = value.parse().unwrap_or(0),
            _ => {}
        }
    }
}

/// Reads the status of a node. One that is not synced prepares no statement, so this one is sent as
/// it is.
///
/// # Errors
/// The error of the driver.
pub async fn status(pool: &MySqlPool) -> Result<NodeStatus, sqlx::Error> {
    let mut status = NodeStatus::default();
    for row in sqlx::raw_sql(STATUS).fetch_all(pool).await? {
        let name: String = row.try_get(0)?;
        status.set(&name, row.try_get(1)?);
    }
    Ok(status)
}

/// Reads the name of a node.
///
/// # Errors
/// The error of the driver.
pub async fn node_name(pool: &MySqlPool) -> Result<String, sqlx::Error> {
    let row = sqlx::raw_sql("SELECT @@wsrep_node_name")
        .fetch_one(pool)
        .await?;
    row.try_get(0)
}

/// Waits until a node has everything that the cluster had committed before this call. A change that
/// another node has acknowledged may still be in this node's queue.
///
/// # Errors
/// The error of the driver.
pub async fn wait_until_current(pool: &MySqlPool) -> Result<(), sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // Each later read on it would wait, too, also if this one fails or is cancelled.
    connection.close_on_drop();
    for sql in [
        "SET SESSION wsrep_sync_wait = 1",
        "SELECT COUNT(*) FROM stock WHERE product_id = 0",
    ] {
        sqlx::raw_sql(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A lock that is valid on all nodes: a row that its holder renews. If the holder's process or its
/// node ends, the lease ends a few seconds later.
#[derive(Debug)]
pub struct ClusterLease {
    row: Arc<LeaseRow>,
    renewal: Option<AbortOnDropHandle<()>>,
}

impl ClusterLease {
    /// A lease on this connection, which is not taken yet. If the connection is lost, another one
    /// is opened with `options`.
    pub fn new(connection: MySqlConnection, options: MySqlConnectOptions, name: i64) -> Self {
        let row = LeaseRow {
            options,
            connection: Mutex::new(Some(connection)),
            name,
            holder: Uuid::new_v4().to_string(),
            lost: CancellationToken::new(),
        };
        Self {
            row: Arc::new(row),
            renewal: None,
        }
    }

    /// Takes the lease, unless another session holds it. From then on, it is renewed.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn try_take(&mut self) -> Result<bool, sqlx::Error> {
        let is_held = self.row.take().await?;
        if is_held {
            let renewal = renew(Arc::clone(&self.row));
            self.renewal = Some(AbortOnDropHandle::new(tokio::spawn(renewal)));
        }
        Ok(is_held)
    }

    /// Takes the lease as soon as it is free.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn take_patiently(&mut self) -> Result<(), sqlx::Error> {
        while !self.try_take().await? {
            tokio::time::sleep(TRIED_EVERY).await;
        }
        Ok(())
    }

    /// Returns what is cancelled when another session has taken the lease, because it could not be
    /// renewed in time.
    pub fn lost(&self) -> CancellationToken {
        self.row.lost.clone()
    }

    /// Ends the lease: when this returns, another session can take it.
    ///
    /// # Errors
    /// The error of the driver; the lease then ends by itself.
    pub async fn release(&mut self) -> Result<(), sqlx::Error> {
        self.renewal = None;
        self.row.end().await
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn close(self) -> Result<(), sqlx::Error> {
        drop(self.renewal);
        let connection = self.row.connection.lock().await.take();
        match connection {
            Some(connection) => connection.close().await,
            None => Ok(()),
        }
    }
}

/// The row of a lease, and the connection that writes it.
#[derive(Debug)]
struct LeaseRow {
    options: MySqlConnectOptions,
    /// `None` after a statement that failed or was given up.
    connection: Mutex<Option<MySqlConnection>>,
    name: i64,
    holder: String,
    lost: CancellationToken,
}

impl LeaseRow {
    /// Takes or renews the lease in time. Returns false if another session holds it.
    async fn take(&self) -> Result<bool, sqlx::Error> {
        answer_within(ANSWER_MAX, self.write()).await
    }

    async fn write(&self) -> Result<bool, sqlx::Error> {
        let mut last = self.connection.lock().await;
        let mut connection = self.connected(last.take()).await?;
        let is_held = take(&mut connection, self.name, &self.holder).await?;
        *last = Some(connection);
        Ok(is_held)
    }

    /// Deletes the row.
    async fn end(&self) -> Result<(), sqlx::Error> {
        let mut last = self.connection.lock().await;
        let mut connection = self.connected(last.take()).await?;
        sqlx::query(END_LEASE)
            .bind(self.name)
            .bind(self.holder.as_str())
            .execute(&mut connection)
            .await?;
        *last = Some(connection);
        Ok(())
    }

    async fn connected(
        &self,
        last: Option<MySqlConnection>,
    ) -> Result<MySqlConnection, sqlx::Error> {
        match last {
            Some(connection) => Ok(connection),
            None => MySqlConnection::connect_with(&self.options).await,
        }
    }
}

/// Takes or renews a lease. A conflict with another node says nothing about who holds it, so the
/// statement is sent again.
async fn take(
    connection: &mut MySqlConnection,
    name: i64,
    holder: &str,
) -> Result<bool, sqlx::Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let taken = sqlx::query(TAKE_LEASE)
            .bind(name)
            .bind(holder)
            .execute(&mut *connection);
        match taken.await {
            Ok(_) => break,
            Err(error) if attempts < ATTEMPTS_MAX && is_conflict(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let held: i64 = sqlx::query_scalar(IS_LEASE_HELD)
        .bind(name)
        .bind(holder)
        .fetch_one(&mut *connection)
        .await?;
    Ok(held == 1)
}

/// Renews a lease until another session has taken it. An outage is one warning in the log.
async fn renew(row: Arc<LeaseRow>) {
    let mut has_failed = false;
    loop {
        tokio::time::sleep(RENEWED_EVERY).await;
        match row.take().await {
            Ok(true) => has_failed = false,
            Ok(false) => {
                tracing::warn!("another session has a lock of the cluster that ended here");
                row.lost.cancel();
                return;
            }
            Err(error) if has_failed => {
                tracing::debug!(%error, "could not renew a lock of the cluster");
            }
            Err(error) => {
                tracing::warn!(%error, "could not renew a lock of the cluster; it is tried again");
                has_failed = true;
            }
        }
    }
}

fn is_conflict(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    let error = error.try_downcast_ref::<MySqlDatabaseError>();
    error.is_some_and(|error| errors::is_retryable(error.number()))
}
