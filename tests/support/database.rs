//! A database for one test.

use std::{sync::LazyLock, time::Duration};

use doorbuster::db::{Db, PoolSettings, dialect};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, TryGetable};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::server::{self, Server, on_support};

/// Databases in use at once by this process: each may have a few dozen connections, and the server has 200.
static IN_USE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(6));

/// A database that is dropped at the end of its test, however that ends.
pub struct TestDatabase {
    name: String,
    url: String,
    /// None on a server of the test's own.
    _permit: Option<SemaphorePermit<'static>>,
}

impl TestDatabase {
    /// Migrated and seeded.
    pub async fn seeded() -> Self {
        Self::with(Some(true)).await
    }

    /// Without a schema.
    pub async fn empty() -> Self {
        Self::with(Some(false)).await
    }

    /// A name for a database that is yet to be made.
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

    /// The one database of a server that the test itself has started; it goes with that. Migrated and seeded.
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

    /// A pool as the program opens them.
    pub async fn pool(&self, settings: PoolSettings) -> Db {
        Db::connect(&self.url, settings)
            .await
            .expect("the test's database answers")
    }

    /// One connection for statements by hand. It has none of the pool's timeouts.
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

/// One connection, on which a test says what it likes: `BEGIN` stays begun until `COMMIT`.
pub struct ByHand(DatabaseConnection);

impl ByHand {
    pub async fn new(url: &str) -> Self {
        Self(server::connection(url).await)
    }

    /// The same for a database that is perhaps not there yet.
    pub async fn try_new(url: &str) -> Option<Self> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(5))
            .sqlx_logging(false);
        Database::connect(options).await.ok().map(Self)
    }

    /// The one value that `sql` selects, if it does.
    pub async fn try_value<T: TryGetable>(&self, sql: &str) -> Option<T> {
        let row = self.0.query_one_raw(dialect::statement(sql, [])).await;
        row.ok()??.try_get_by_index(0).ok()
    }

    /// Runs statements without parameters. Returns the rows affected by the last.
    pub async fn run(&self, sql: &str) -> u64 {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    pub async fn try_run(&self, sql: &str) -> Result<u64, DbErr> {
        Ok(self.0.execute_unprepared(sql).await?.rows_affected())
    }

    /// The one value that `sql` selects.
    pub async fn value<T: TryGetable>(&self, sql: &str) -> T {
        self.0
            .query_one_raw(dialect::statement(sql, []))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .unwrap_or_else(|| panic!("{sql}: no row"))
            .try_get_by_index(0)
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }
}
