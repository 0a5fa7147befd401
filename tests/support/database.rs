//! A database for one test.

use std::{sync::LazyLock, time::Duration};

use doorbuster::db::{
    Db, PoolSettings, dialect,
    engine::{Engine, mysql::named_lock},
};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, FromQueryResult,
    Statement, TryGetable,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    engines::refuse_if_postgres_only,
    server::{self, Server, on_support},
    words::in_words_of,
};

/// Limits the databases that this process uses at once: each may have a few dozen connections, and
/// the server allows 200. More than the threads that run tests, of which some use two databases.
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
        refuse_if_postgres_only(server.engine());
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

    fn statement(&self, sql: &str) -> Statement {
        in_words_of(self.engine(), sql)
    }

    /// Waits for a named lock, which the shop may use too, and holds it until it is released.
    pub async fn lock(&self, key: i64) {
        dialect::advisory_lock(&self.0, key)
            .await
            .expect("the lock is taken");
    }

    pub async fn unlock(&self, key: i64) {
        dialect::advisory_unlock(&self.0, key)
            .await
            .expect("the lock is released");
    }

    /// Waits for the named lock that the shop's transactions take by a class and an id, and holds
    /// it until it is released.
    pub async fn lock_in_class(&self, (class, id): (i32, i32)) {
        match self.engine() {
            Engine::Postgres => {
                self.run(&format!("SELECT pg_advisory_lock({class}, {id})"))
                    .await
            }
            Engine::MySql => {
                let name = format!("{class}/{id}");
                let taken = named_lock::take_patiently(&self.0, &name).await;
                taken.map(|()| 0).expect("the lock is taken")
            }
        };
    }

    pub async fn unlock_in_class(&self, (class, id): (i32, i32)) {
        match self.engine() {
            Engine::Postgres => {
                self.run(&format!("SELECT pg_advisory_unlock({class}, {id})"))
                    .await
            }
            Engine::MySql => {
                let name = format!("{class}/{id}");
                let released = named_lock::release(&self.0, &name).await;
                released.map(|()| 0).expect("the lock is released")
            }
        };
    }

    /// Returns the rows that `sql` selects.
    pub async fn rows<T: FromQueryResult>(&self, sql: &str) -> Vec<T> {
        T::find_by_statement(self.statement(sql))
            .all(&self.0)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
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
