//! Notices in a table, which every process polls: this server cannot notify its sessions.

use std::{
    collections::{BTreeSet, VecDeque},
    str::FromStr,
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, DatabaseBackend, DbErr, Statement,
    sqlx::{self, Connection, MySqlConnection, mysql::MySqlConnectOptions},
};

use super::sessions;

/// The time between two reads.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Ids are not committed in order: how far below the last one a new one is looked for.
const OVERLAP: i64 = 1_000;

const INSERT: &str = "INSERT INTO notice (text) VALUES (?)";
const DELETE_OLD: &str =
    "DELETE FROM notice WHERE at < UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE LIMIT 100";
const READ: &str = "SELECT id, text FROM notice WHERE id > ? ORDER BY id";

/// Adds a notice, and removes some of those that every process has read.
pub async fn send<C: ConnectionTrait>(connection: &C, text: &str) -> Result<(), DbErr> {
    let statement =
        |sql, values| Statement::from_sql_and_values(DatabaseBackend::MySql, sql, values);
    connection
        .execute_raw(statement(INSERT, vec![text.into()]))
        .await?;
    connection
        .execute_raw(statement(DELETE_OLD, Vec::new()))
        .await
        .map(drop)
}

/// A session that reads the notices.
#[derive(Debug)]
pub struct Listener {
    connection: MySqlConnection,
    /// The ids of the notices that were read, without those that are not looked for again.
    seen: BTreeSet<i64>,
    waiting: VecDeque<String>,
}

impl Listener {
    /// Connects a session with this name. Every notice that is sent after this call is received.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn connect(url: &str, name: &str) -> Result<Self, sqlx::Error> {
        let options = MySqlConnectOptions::from_str(url)?;
        let mut connection = MySqlConnection::connect_with(&options).await?;
        sessions::register_own(&mut connection, name.into()).await?;
        let mut listener = Self {
            connection,
            seen: BTreeSet::new(),
            waiting: VecDeque::new(),
        };
        listener.read().await?;
        // What was sent before is not news.
        listener.waiting.clear();
        Ok(listener)
    }

    /// Waits for the next notice and returns its text.
    ///
    /// # Errors
    /// The error of the driver.
    pub async fn receive(&mut self) -> Result<String, sqlx::Error> {
        loop {
            if let Some(text) = self.waiting.pop_front() {
                return Ok(text);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), sqlx::Error> {
        let last = self.seen.last().copied().unwrap_or(0);
        let from = last.saturating_sub(OVERLAP);
        self.seen.retain(|id| *id > from);
        let rows: Vec<(i64, String)> = sqlx::query_as(READ)
            .bind(from)
            .fetch_all(&mut self.connection)
            .await?;
        for (id, text) in rows {
            if self.seen.insert(id) {
                self.waiting.push_back(text);
            }
        }
        Ok(())
    }
}
