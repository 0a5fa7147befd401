//! The PostgreSQL server of the benchmark, and a fresh database with the shop's schema for each
//! cell.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use doorbuster::{
    db::{Db, PoolSettings, dialect, embedded::EmbeddedPostgres, schema},
    shop::{audit, seed},
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use url::Url;

use crate::Failure;

/// The PostgreSQL server of the benchmark.
pub struct Server {
    /// The URL of any database on the server; its database name is replaced.
    url: Url,
    embedded: Option<EmbeddedPostgres>,
    maintenance: DatabaseConnection,
    /// Distinguishes the databases of this process.
    run: u32,
    created: AtomicU32,
}

/// A database with the shop's schema and catalogue, and no orders.
pub struct FreshDatabase {
    pub name: String,
    pub url: String,
}

impl Server {
    /// Connects to DATABASE_URL's server, or starts an embedded one: durable, with PostgreSQL's
    /// default buffers.
    pub async fn start() -> Result<Self, Failure> {
        let (url, embedded) = match std::env::var("DATABASE_URL") {
            Ok(url) if !url.is_empty() => (url, None),
            _ => {
                let embedded = EmbeddedPostgres::start(&folder("bench-postgres")).await?;
                (embedded.url().to_owned(), Some(embedded))
            }
        };
        let url = Url::parse(&url)?;
        let mut maintenance = url.clone();
        maintenance.set_path("postgres");
        let server = Self {
            maintenance: connect(maintenance.as_str()).await?,
            url,
            embedded,
            run: std::process::id(),
            created: AtomicU32::new(0),
        };
        server.drop_leftovers().await?;
        server.make_template().await?;
        Ok(server)
    }

    /// Drops the template database, and stops the server if it is embedded.
    pub async fn stop(self) -> Result<(), Failure> {
        self.drop_database(&self.template()).await?;
        self.maintenance.close().await?;
        if let Some(embedded) = self.embedded {
            embedded.stop().await?;
        }
        Ok(())
    }

    /// Creates a fresh database, so that the tables are as small for the last cell as for the
    /// first.
    pub async fn fresh(&self) -> Result<FreshDatabase, Failure> {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let name = format!("doorbuster_bench_{}_{number}", self.run);
        self.execute(&format!(
            "CREATE DATABASE {name} TEMPLATE {}",
            self.template()
        ))
        .await?;
        Ok(FreshDatabase {
            url: self.url_of(&name),
            name,
        })
    }

    /// Runs a checkpoint now, so that it does not run during the next measurement. Needs a
    /// superuser.
    pub async fn checkpoint(&self) {
        if let Err(error) = self.maintenance.execute_unprepared("CHECKPOINT").await {
            eprintln!("bench: no checkpoint between cells: {error}");
        }
    }

    /// Drops a database.
    pub async fn drop_database(&self, name: &str) -> Result<(), Failure> {
        self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
    }

    /// Returns the server's version, and whether its commits are durable.
    pub async fn facts(&self) -> Result<(String, String), Failure> {
        let facts = dialect::server(&self.maintenance).await?;
        let version = facts.version.split(' ').next().unwrap_or_default();
        Ok((version.to_owned(), facts.fsync))
    }

    fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    fn template(&self) -> String {
        format!("doorbuster_bench_{}_template", self.run)
    }

    async fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.maintenance.execute_unprepared(sql).await?;
        Ok(())
    }

    /// Drops the databases of a benchmark that was killed. Only on an embedded server, where no
    /// other process can be using them.
    async fn drop_leftovers(&self) -> Result<(), Failure> {
        if self.embedded.is_none() {
            return Ok(());
        }
        let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'doorbuster\\_bench\\_%'";
        for row in self
            .maintenance
            .query_all_raw(dialect::statement(sql, []))
            .await?
        {
            let name: String = row.try_get_by_index(0)?;
            self.drop_database(&name).await?;
        }
        Ok(())
    }

    async fn make_template(&self) -> Result<(), Failure> {
        let template = self.template();
        self.execute(&format!("CREATE DATABASE {template} TEMPLATE template0"))
            .await?;
        let url = self.url_of(&template);
        schema::migrate(&url, schema::Step::Up).await?;
        let db = Db::connect(&url, PoolSettings::COMMAND).await?;
        let filled = seed::fill_if_empty(&db).await;
        db.close().await;
        filled?;
        Ok(())
    }
}

impl FreshDatabase {
    /// Checks that the audit finds no violation, and that the number of orders of the product
    /// equals the number of acknowledged orders.
    pub async fn check(&self, product_id: i64, acknowledged: u64) -> Result<(), Failure> {
        let db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let counted = count_orders(&db, product_id).await;
        let report = audit::run(&db).await;
        db.close().await;
        let counted = counted?;
        if u64::try_from(counted) != Ok(acknowledged) {
            return Err(format!(
                "{acknowledged} orders were acknowledged, but the database has {counted}"
            )
            .into());
        }
        let broken: Vec<String> = report?
            .rules
            .into_iter()
            .filter(|rule| rule.violations > 0)
            .map(|rule| format!("{} ({} times)", rule.rule, rule.violations))
            .collect();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(format!("the audit found {}", broken.join(", ")).into())
        }
    }

    /// Runs statements on a separate connection.
    pub async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let connection = connect(&self.url).await?;
        let done = connection.execute_unprepared(sql).await;
        connection.close().await?;
        done?;
        Ok(())
    }
}

/// Counts the orders that have a line, a movement and a stored response; all are of the lane's
/// product.
async fn count_orders(db: &Db, product_id: i64) -> Result<i64, Failure> {
    let sql = "SELECT least((SELECT count(DISTINCT order_id) FROM order_line WHERE product_id = $1), \
                            (SELECT count(DISTINCT order_id) FROM stock_movement WHERE product_id = $1 AND kind = 'sell'), \
                            (SELECT count(*) FROM idempotency_key WHERE response IS NOT NULL))";
    let row = db
        .reader()
        .query_one_raw(dialect::statement(sql, [product_id.into()]))
        .await?
        .ok_or("a count without a row")?;
    Ok(row.try_get_by_index(0)?)
}

async fn connect(url: &str) -> Result<DatabaseConnection, Failure> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    Ok(Database::connect(options).await?)
}

/// Returns a folder in cargo's target folder.
pub fn folder(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    target.parent().unwrap_or(target).join(name)
}
