//! The server that hosts the test databases, and the template database that they are copied from.

use std::{
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use doorbuster::{
    db::{Db, PoolSettings, dialect, engine::Engine, schema},
    shop::seed,
};
use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sha2::{Digest, Sha256};
use tokio::{runtime::Runtime, sync::Semaphore};
use url::Url;

use super::{
    shared_server::{self, ServerLease},
    words::in_words_of,
};

/// An arbitrary number that no other advisory lock uses: "test" in ASCII.
const TEMPLATE_LOCK: i64 = 0x7465_7374;

/// Selects the databases of test runs that have ended. A run holds a connection with its name while
/// it lives.
const LEFTOVERS: &str = "SELECT d.datname FROM pg_database d WHERE d.datname LIKE 'doorbuster\\_test\\_%' AND NOT EXISTS \
     (SELECT FROM pg_stat_activity a WHERE a.application_name = 'doorbuster tests ' || split_part(d.datname, '_', 3))";

/// The runtime for everything that outlives a single test: a connection opened in a test's own
/// runtime ends with that runtime.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test support")
});

static SERVER: LazyLock<Server> = LazyLock::new(|| on_support(Server::open()));

/// Runs `future` on the support's runtime and blocks until it completes. It can be called in a
/// `Drop` and inside another runtime.
pub fn on_support<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    RUNTIME.spawn(async move { answer.send(future.await).ok() });
    answered
        .recv()
        .expect("the test support answers (if it panicked, see its message above)")
}

/// See the module's documentation.
pub struct Server {
    /// The URL of any database on the server; the name is replaced.
    url: Url,
    run: String,
    template: String,
    made: AtomicU32,
    maintenance: DatabaseConnection,
    /// Databases are dropped one at a time, so that their checkpoints do not pile up.
    drops: Semaphore,
    lease: Option<ServerLease>,
}

impl Server {
    /// Returns the server of this process. The first call finds or starts it.
    pub fn get() -> &'static Self {
        &SERVER
    }

    async fn open() -> Self {
        let (url, lease) = match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => (url, None),
            _ => {
                let lease = tokio::task::spawn_blocking(shared_server::lease_server)
                    .await
                    .expect("the embedded server is found or started");
                (lease.url.clone(), Some(lease))
            }
        };
        let url = Url::parse(&url).expect("DATABASE_URL is a URL");
        let run = format!("{:08x}", rand::random::<u32>());
        let server = Self {
            maintenance: maintenance(&url, &run).await,
            url,
            run,
            template: format!("doorbuster_template_{}", fingerprint()),
            made: AtomicU32::new(0),
            drops: Semaphore::new(1),
            lease,
        };
        if server.engine() == Engine::MySql {
            return server;
        }
        let connection = connection(&server.url_of("postgres")).await;
        dialect::advisory_lock(&connection, TEMPLATE_LOCK)
            .await
            .expect("the template's lock is taken");
        if server.lease.is_none() {
            clean_up(&connection)
                .await
                .expect("the databases of earlier runs are dropped");
        }
        server.ensure_template().await;
        connection.close().await.expect("the lock is released");
        server
    }

    /// The engine of the tests. `DATABASE_URL` chooses it.
    pub fn engine(&self) -> Engine {
        Engine::of(&self.maintenance)
    }

    /// Returns the URL of a database on this server.
    pub fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// Returns an unused database name, which contains the id of this run.
    pub fn new_name(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        format!("doorbuster_test_{}_{number}", self.run)
    }

    /// Creates a database: migrated and seeded, or empty.
    pub async fn create(&self, name: &str, seeded: bool) {
        if self.engine() == Engine::MySql {
            // There are no templates, and the schema is one migration.
            return match seeded {
                true => fill(&self.url_of(name)).await,
                false => self.execute(&format!("CREATE DATABASE {name}")).await,
            };
        }
        let template = if seeded { &self.template } else { "template0" };
        // Copying files takes a quarter less processor time than copying pages through the log,
        // where no checkpoint waits for the disk.
        self.execute(&format!(
            "CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
        ))
        .await;
    }

    /// Drops a database, including its open connections. The drop takes a checkpoint, so the test
    /// does not wait for it where the owner process of a shared server cleans up later.
    pub fn remove(&'static self, name: String) {
        let removal = async move {
            let _turn = self.drops.acquire().await;
            self.drop(&name).await;
        };
        if self.lease.is_some() {
            RUNTIME.spawn(removal);
        } else {
            on_support(removal);
        }
    }

    async fn drop(&self, name: &str) {
        if self.engine() == Engine::MySql {
            self.end_sessions(name).await;
        }
        self.execute(&match self.engine() {
            Engine::Postgres => drop_statement(name),
            Engine::MySql => format!("DROP DATABASE IF EXISTS {name}"),
        })
        .await;
    }

    /// Ends the sessions of a database: one that has left a transaction open, as some tests do on
    /// purpose, would keep the database from being dropped.
    async fn end_sessions(&self, name: &str) {
        let sessions = self
            .names(&format!(
                "SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = '{name}'"
            ))
            .await;
        for session in sessions {
            // It may have ended meanwhile.
            self.maintenance
                .execute_unprepared(&format!("KILL {session}"))
                .await
                .ok();
        }
    }

    async fn execute(&self, sql: &str) {
        self.maintenance
            .execute_unprepared(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Creates the template under another name and renames it when it is complete, so that the
    /// template is never incomplete.
    async fn ensure_template(&self) {
        let known = self
            .names("SELECT datname FROM pg_database WHERE datname LIKE 'doorbuster\\_template\\_%'")
            .await;
        if known.contains(&self.template) {
            return;
        }
        let draft = format!("{}_draft", self.template);
        self.drop(&draft).await;
        self.create(&draft, false).await;
        prepare(&self.url_of(&draft)).await;
        self.execute(&format!("ALTER DATABASE {draft} ALLOW_CONNECTIONS false"))
            .await;
        self.execute(&format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{draft}'"
        ))
        .await;
        self.execute(&format!(
            "ALTER DATABASE {draft} RENAME TO {}",
            self.template
        ))
        .await;
    }

    async fn names(&self, sql: &str) -> Vec<String> {
        self.maintenance
            .query_all_raw(in_words_of(self.engine(), sql))
            .await
            .expect("the server lists them")
            .iter()
            .map(|row| row.try_get_by_index(0).expect("a name"))
            .collect()
    }
}

/// Creates the database that `url` names, migrated and seeded.
pub async fn fill(url: &str) {
    doorbuster::db::connect::ensure_database(url)
        .await
        .expect("the database is created");
    prepare(url).await;
}

async fn maintenance(url: &Url, run: &str) -> DatabaseConnection {
    let mut url = url.clone();
    url.set_path(match url.scheme() {
        "mysql" => "/",
        _ => "postgres",
    });
    let name = format!("doorbuster tests {run}");
    let mut options = ConnectOptions::new(url);
    options
        .min_connections(1)
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |postgres| postgres.application_name(&name));
    Database::connect(options)
        .await
        .expect("the server for the tests answers")
}

fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

/// Drops the databases of test runs that have ended.
pub async fn clean_up(connection: &DatabaseConnection) -> Result<(), DbErr> {
    for row in connection
        .query_all_raw(dialect::statement(LEFTOVERS, []))
        .await?
    {
        let name: String = row.try_get_by_index(0)?;
        connection
            .execute_unprepared(&drop_statement(&name))
            .await?;
    }
    Ok(())
}

/// Opens a single connection, for statements by hand.
pub async fn connection(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .sqlx_logging(false);
    Database::connect(options)
        .await
        .expect("the test's own connection opens")
}

async fn prepare(url: &str) {
    schema::migrate(url, schema::Step::Up)
        .await
        .expect("the template is migrated");
    let db = Db::connect(url, PoolSettings::COMMAND)
        .await
        .expect("the template answers");
    seed::fill_if_empty(&db)
        .await
        .expect("the template is seeded");
    db.close().await;
}

/// Returns a hash of the template's sources: another schema or catalogue gets another template. A
/// binary that is older than the sources has other migrations, and a template of its own.
fn fingerprint() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = ["migration/src", "src/shop/seed"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the sources are there"))
        .map(|entry| entry.expect("a source").path())
        .filter(|path| path.is_file())
        .collect();
    files.push(root.join("src/shop/seed.rs"));
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(&file).expect("a source can be read"));
    }
    for migration in Migrator::migrations() {
        hash.update(migration.name());
    }
    hex::encode(&hash.finalize()[..6])
}
