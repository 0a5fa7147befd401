//! The server on which test databases are made, and the template that they are copies of.

use std::{
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use doorbuster::{
    db::{Db, PoolSettings, dialect, schema},
    shop::seed,
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use sha2::{Digest, Sha256};
use tokio::{runtime::Runtime, sync::Semaphore};
use url::Url;

use super::keeper::{self, Usage};

/// Any number that nobody else uses: "test" in ASCII.
const TEMPLATE_LOCK: i64 = 0x7465_7374;

/// Databases of runs that are no more: a run holds a connection named after it for as long as it lives.
const LEFTOVERS: &str = "SELECT d.datname FROM pg_database d WHERE d.datname LIKE 'doorbuster\\_test\\_%' AND NOT EXISTS \
     (SELECT FROM pg_stat_activity a WHERE a.application_name = 'doorbuster tests ' || split_part(d.datname, '_', 3))";

/// What outlives a single test runs here: a connection made in a test's own runtime dies with that.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test support")
});

static SERVER: LazyLock<Server> = LazyLock::new(|| on_support(Server::open()));

/// Runs `future` on the support's runtime and blocks until it is done: also from a `Drop`, and inside another runtime.
pub fn on_support<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (answer, answered) = std::sync::mpsc::sync_channel(1);
    RUNTIME.spawn(async move { answer.send(future.await).ok() });
    answered
        .recv()
        .expect("the test support answers (if it panicked, its message stands above)")
}

/// See the module's documentation.
pub struct Server {
    /// Of any database on the server: the name is replaced.
    url: Url,
    run: String,
    template: String,
    made: AtomicU32,
    maintenance: DatabaseConnection,
    /// Databases are dropped one at a time, lest their checkpoints pile up.
    drops: Semaphore,
    usage: Option<Usage>,
}

impl Server {
    /// The server of this process, found or started at the first call.
    pub fn get() -> &'static Self {
        &SERVER
    }

    async fn open() -> Self {
        let (url, usage) = match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => (url, None),
            _ => {
                let usage = tokio::task::spawn_blocking(keeper::use_server)
                    .await
                    .expect("the embedded server is found or started");
                (usage.url.clone(), Some(usage))
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
            usage,
        };
        let connection = connection(&server.url_of("postgres")).await;
        dialect::advisory_lock(&connection, TEMPLATE_LOCK)
            .await
            .expect("the template's lock is taken");
        if server.usage.is_none() {
            clean_up(&connection)
                .await
                .expect("what earlier runs left is dropped");
        }
        server.ensure_template().await;
        connection.close().await.expect("the lock is given back");
        server
    }

    /// The URL of a database on this server.
    pub fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// A name that no other database has. It tells the run that made it.
    pub fn new_name(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        format!("doorbuster_test_{}_{number}", self.run)
    }

    /// Makes a database: migrated and seeded, or empty.
    pub async fn create(&self, name: &str, seeded: bool) {
        let template = if seeded { &self.template } else { "template0" };
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
            .await;
    }

    /// Removes a database, whoever is connected to it. It takes a checkpoint, so where a keeper cleans up behind us nobody waits for it.
    pub fn remove(&'static self, name: String) {
        let removal = async move {
            let _turn = self.drops.acquire().await;
            self.drop(&name).await;
        };
        if self.usage.is_some() {
            RUNTIME.spawn(removal);
        } else {
            on_support(removal);
        }
    }

    async fn drop(&self, name: &str) {
        self.execute(&drop_statement(name)).await;
    }

    async fn execute(&self, sql: &str) {
        self.maintenance
            .execute_unprepared(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The template is made under another name and renamed when it is whole, so that none is ever half made.
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
            .query_all_raw(dialect::statement(sql, []))
            .await
            .expect("the server lists its databases")
            .iter()
            .map(|row| row.try_get_by_index(0).expect("a name"))
            .collect()
    }
}

/// Makes the database that `url` names, migrated and seeded.
pub async fn fill(url: &str) {
    doorbuster::db::connect::ensure_database(url)
        .await
        .expect("the database is made");
    prepare(url).await;
}

async fn maintenance(url: &Url, run: &str) -> DatabaseConnection {
    let mut url = url.clone();
    url.set_path("postgres");
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

/// Drops what runs that have ended left behind; for the keeper.
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

/// One connection of its own, for statements by hand.
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

/// Of everything that makes the template what it is: another schema or catalogue, another template.
fn fingerprint() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = ["migration/src", "src/shop/seed"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the sources are there"))
        .map(|entry| entry.expect("a source").path())
        .collect();
    files.push(root.join("src/shop/seed.rs"));
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(&file).expect("a source can be read"));
    }
    hash.finalize()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
