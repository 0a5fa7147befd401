//! A database for one test.

use std::{sync::LazyLock, time::Duration};

use doorbuster::db::{Db, PoolSettings, dialect, engine::Engine};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement, TryGetable,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    server::{self, Server, on_support},
    words::in_mysql_words,
};

/// Limits the databases that this process uses at once: each may have a few dozen connections, and
/// the server allows 200.
static IN_USE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(6));

/// A database that is dropped at the end of its test, also after a failure.
pub struct TestDatabase {
    name: String,
    url: String,
    /// `None` on a server that the test itself started.
    _permit: Option<SemaphorePermit<'static>>,
}

impl TestDatabase {
    /// Creates a migrated and seeded database.
    pub async fn seeded() -> Self {
        Self::with(Some(true)).await
    }

    /// Creates a database without a schema.
    pub async fn empty() -> Self {
        Self::with(Some(false)).await
    }

    /// Reserves a name for a database that the test creates itself.
    pub async fn absent() -> Self {
        Self::with(None).await
    }

    async fn with(content: Option<bool>) -> Self {
        let permit = IN_USE.acquire().await.expect("it is never closed");
        let server = Server::get();
        let name = server.new_name();
        if let Some(seeded) = content {
            on_support({
                let name = name.clone();
                async move { server.create(&name, seeded).await }
            });
        }
        Self {
            url: server.url_of(&name),
            name,
            _permit: Some(permit),
        }
    }

    /// Creates the database of a server that the test itself started, migrated and seeded. It is
    /// removed with that server.
    pub async fn on_own_server(url: &str) -> Self {
        server::fill(url).await;
        Self {
            name: String::new(),
            url: url.to_owned(),
            _permit: None,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Opens a pool in the same way as the program.
    pub async fn pool(&self, settings: PoolSettings) -> Db {
        Db::connect(&self.url, settings)
            .await
            .expect("the test's database answers")
    }

    /// Opens a single connection for statements by hand, without the pool's timeouts.
    pub async fn by_hand(&self) -> ByHand {
        ByHand::new(&self.url).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            Server::get().remove(std::mem::take(&mut self.name));
        }
    }
}

/// A single connection for arbitrary statements: a transaction stays open from `BEGIN` to `COMMIT`.
pub struct ByHand(DatabaseConnection);

impl ByHand {
    pub async fn new(url: &str) -> Self {
        Self(server::connection(url).await)
    }

    /// Connects to a database that may not exist yet.
    pub async fn try_new(url: &str) -> Option<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(5))
            .sqlx_logging(false);
        Database::connect(options).await.ok().map(Self)
    }

    /// Returns the one value that `sql` selects, or `None` on an error.
    pub async fn try_value<T: TryGetable>(&self, sql: &str) -> Option<T> {
        let row = self.0.query_one_raw(self.statement(sql)).await;
        row.ok()??.try_get_by_index(0).ok()
    }

    /// The engine of the connection.
    pub fn engine(&self) -> Engine {
        Engine::of(&self.0)
    }

    /// Runs statements without parameters. Returns the number of rows that the last one affected.
    pub async fn run(&self, sql: &str) -> u64 {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn try_run(&self, sql: &str) -> Result<u64, DbErr> {
        let sql = self.statement(sql).sql;
        Ok(self.0.execute_unprepared(&sql).await?.rows_affected())
    }

    /// Puts a statement into the words of the engine.
    fn statement(&self, sql: &str) -> Statement {
        match self.engine() {
            Engine::Postgres => dialect::statement(sql, []),
            Engine::MySql => in_mysql_words(sql),
        }
    }

    /// Returns the one value that `sql` selects.
    pub async fn value<T: TryGetable>(&self, sql: &str) -> T {
        self.0
            .query_one_raw(self.statement(sql))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .unwrap_or_else(|| panic!("{sql}: no row"))
            .try_get_by_index(0)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }
}
