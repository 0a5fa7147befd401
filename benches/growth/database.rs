//! The PostgreSQL server of the benchmark, the old database that is kept, and fresh ones.

use std::{
    future::ready,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use doorbuster::{
    db::{Db, PoolSettings, connect, dialect, embedded::EmbeddedPostgres, retention, schema},
    shop::{
        audit::{self, AuditReport, Pace, Stored, continuous},
        idempotency::OLD_KEYS,
        seed,
    },
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database as Connector, DatabaseConnection};
use url::Url;

use crate::Failure;

const OLD: &str = "doorbuster_growth_old";
const TEMPLATE: &str = "doorbuster_growth_template";
/// The names of all databases but the old one begin with this, or are [`TEMPLATE`].
const FRESH_PREFIX: &str = "doorbuster_growth_fresh_";
/// A full audit that is older is repeated before a server is started: otherwise the server would
/// run it during a measurement, once a day.
const FULL_AUDIT_AGE_MAX: Duration = Duration::from_secs(12 * 3_600);
/// The longest time for the deletion of expired keys before a measurement.
const DELETION_MAX: Duration = Duration::from_secs(1_800);

/// The PostgreSQL server of the benchmark: durable, with the settings of the embedded one.
pub struct Postgres {
    /// The URL of any database on the server; its database name is replaced.
    url: Url,
    embedded: EmbeddedPostgres,
    maintenance: DatabaseConnection,
    created: AtomicU32,
}

/// A migrated and seeded database.
#[derive(Clone, Debug)]
pub struct Database {
    pub name: String,
    pub url: String,
}

impl Postgres {
    /// Starts the server on `folder`, which is created if it is missing.
    pub async fn start(folder: &Path) -> Result<Self, Failure> {
        let embedded = EmbeddedPostgres::start(folder).await?;
        if embedded.is_attached() {
            return Err(
                "another process uses the folder of the databases: wait until it ends, \
                        or set GROWTH_FOLDER to another folder"
                    .into(),
            );
        }
        let url = Url::parse(embedded.url())?;
        let mut maintenance = url.clone();
        maintenance.set_path("postgres");
        Ok(Self {
            maintenance: connect_once(maintenance.as_str()).await?,
            url,
            embedded,
            created: AtomicU32::new(0),
        })
    }

    /// Stops the server. Its databases are kept.
    pub async fn stop(self) -> Result<(), Failure> {
        self.maintenance.close().await?;
        Ok(self.embedded.stop().await?)
    }

    /// Makes the database from which fresh ones are copied, and drops those of an earlier run that
    /// was interrupted.
    pub async fn make_template(&self) -> Result<(), Failure> {
        self.drop_fresh().await?;
        let template = self.database(TEMPLATE);
        template.prepare().await?;
        self.settle(&template).await
    }

    /// Returns a new database without orders.
    pub async fn fresh(&self) -> Result<Database, Failure> {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let fresh = self.database(&format!("{FRESH_PREFIX}{number}"));
        self.execute(&format!(
            "CREATE DATABASE {} TEMPLATE {TEMPLATE}",
            fresh.name
        ))
        .await?;
        Ok(fresh)
    }

    /// Returns the database that is kept between runs, with the orders that it has.
    pub async fn kept(&self) -> Result<Database, Failure> {
        let kept = self.database(OLD);
        kept.prepare().await?;
        Ok(kept)
    }

    /// Brings the audits up to date, vacuums, and runs a checkpoint, so that none of it runs during
    /// a measurement.
    ///
    /// # Errors
    /// Also if an audit finds a violation.
    pub async fn settle(&self, database: &Database) -> Result<(), Failure> {
        database.audit().await?;
        database.execute("VACUUM (ANALYZE)").await?;
        self.checkpoint().await
    }

    /// Runs a checkpoint now, so that it does not run during the next measurement.
    pub async fn checkpoint(&self) -> Result<(), Failure> {
        self.execute("CHECKPOINT").await
    }

    /// Drops a fresh database.
    pub async fn drop_database(&self, database: &Database) -> Result<(), Failure> {
        let name = &database.name;
        self.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await
    }

    /// Drops every database but the old one.
    pub async fn drop_fresh(&self) -> Result<(), Failure> {
        let sql =
            "SELECT datname FROM pg_database WHERE datname = $1 OR starts_with(datname::text, $2)";
        let names = dialect::statement(sql, [TEMPLATE.into(), FRESH_PREFIX.into()]);
        for row in self.maintenance.query_all_raw(names).await? {
            let name: String = row.try_get_by_index(0)?;
            self.drop_database(&self.database(&name)).await?;
        }
        Ok(())
    }

    /// Returns the process ids of the sessions of `database` with that application name.
    pub async fn sessions(
        &self,
        database: &Database,
        application_name: &str,
    ) -> Result<Vec<i32>, Failure> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = $2";
        let values = [database.name.as_str().into(), application_name.into()];
        let rows = self
            .maintenance
            .query_all_raw(dialect::statement(sql, values))
            .await?;
        let mut pids = Vec::new();
        for row in rows {
            pids.push(row.try_get_by_index::<i32>(0)?);
        }
        Ok(pids)
    }

    /// Returns the server's version, and whether its commits are durable.
    pub async fn facts(&self) -> Result<(String, String), Failure> {
        let facts = dialect::server(&self.maintenance).await?;
        let version = facts.name.split(' ').next_back().unwrap_or_default();
        Ok((version.to_owned(), facts.fsync))
    }

    fn database(&self, name: &str) -> Database {
        let mut url = self.url.clone();
        url.set_path(name);
        Database {
            name: name.to_owned(),
            url: url.into(),
        }
    }

    async fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.maintenance.execute_unprepared(sql).await?;
        Ok(())
    }
}

impl Database {
    /// Runs statements on a separate connection, without a limit of time.
    pub async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let connection = connect_once(&self.url).await?;
        let done = connection.execute_unprepared(sql).await;
        connection.close().await?;
        done?;
        Ok(())
    }

    /// Creates the database if it is missing, migrates it, and seeds an empty shop.
    async fn prepare(&self) -> Result<(), Failure> {
        connect::ensure_database(&self.url).await?;
        schema::migrate(&self.url, schema::Step::Up).await?;
        let db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let filled = seed::fill_if_empty(&db).await;
        db.close().await;
        filled?;
        Ok(())
    }

    /// Deletes the keys that have expired since an earlier run of the benchmark: otherwise a server
    /// would delete them during a measurement.
    pub async fn delete_expired_keys(&self) -> Result<(), Failure> {
        let db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let deleted = retention::delete(&db, &OLD_KEYS, DELETION_MAX).await;
        db.close().await;
        if deleted?.is_complete {
            Ok(())
        } else {
            Err("the expired keys could not be deleted in half an hour".into())
        }
    }

    /// Runs the continuous audit until it has checked everything, and the full audit if it is due.
    pub async fn audit(&self) -> Result<(), Failure> {
        let db = Db::connect(&self.url, PoolSettings::AUDIT).await?;
        let audited = catch_up(&db).await;
        db.close().await;
        audited
    }
}

async fn catch_up(db: &Db) -> Result<(), Failure> {
    loop {
        let round = continuous::run_round(db).await?;
        let round = round.ok_or("another process audits this database")?;
        check_clean(&round.report)?;
        if !round.has_more {
            break;
        }
    }
    let latest = audit::latest(db, Stored::Full).await?;
    if latest.is_none_or(|latest| latest.age > FULL_AUDIT_AGE_MAX) {
        let report = audit::run_and_store(db, Pace::FAST, ready(Vec::new())).await?;
        check_clean(&report.ok_or("another process audits this database")?)?;
    }
    Ok(())
}

/// Checks that a report has no violation.
pub fn check_clean(report: &AuditReport) -> Result<(), Failure> {
    let broken: Vec<String> = report
        .rules
        .iter()
        .filter(|rule| rule.violations > 0)
        .map(|rule| format!("{} ({} times)", rule.rule, rule.violations))
        .collect();
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!("the audit found {}", broken.join(", ")).into())
    }
}

/// Opens a single connection.
pub async fn connect_once(url: &str) -> Result<DatabaseConnection, Failure> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    Ok(Connector::connect(options).await?)
}
