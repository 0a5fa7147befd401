//! MariaDB beside PostgreSQL, and Doorbuster beside the yardstick on the same MariaDB.
//!
//! Both servers run all the time. What is compared is measured one right after the other.

mod cell;
mod report;
mod yardstick;

use doorbuster::db::engine::Engine;

use self::cell::EngineCell;
use crate::{
    Failure,
    interruption::interruption,
    options::Options,
    rounds,
    server::{Server, ServerFacts},
};

/// The servers that are compared.
struct Servers {
    postgres: Server,
    mariadb: Server,
}

/// What a report says about them.
struct BothFacts {
    postgres: ServerFacts,
    mariadb: ServerFacts,
}

/// Measures all cells, and writes the report.
pub async fn run(options: &Options) -> Result<(), Failure> {
    yardstick::check_installed()?;
    let servers = Servers {
        postgres: Server::start(Engine::Postgres).await?,
        mariadb: Server::start(Engine::MySql).await?,
    };
    let measured = tokio::select! {
        measured = measure(options, &servers) => measured,
        interrupted = interruption() => interrupted,
    };
    // Stop own servers even if the measurement failed.
    let stopped = servers.stop().await;
    measured?;
    stopped
}

async fn measure(options: &Options, servers: &Servers) -> Result<(), Failure> {
    let facts = servers.facts().await?;
    let groups = cell::groups(options);
    let session = rounds::run(options, &groups, async |cell: EngineCell| {
        cell.measure(options, servers).await
    })
    .await;
    report::write(options, &facts, &session)
}

impl Servers {
    fn of(&self, engine: Engine) -> &Server {
        match engine {
            Engine::Postgres => &self.postgres,
            Engine::MySql => &self.mariadb,
        }
    }

    /// Runs a checkpoint on both, so that neither writes pages during the next measurement.
    async fn checkpoint(&self) {
        self.postgres.checkpoint().await;
        self.mariadb.checkpoint().await;
    }

    /// Returns the versions, after checking that the servers can be compared.
    async fn facts(&self) -> Result<BothFacts, Failure> {
        let facts = BothFacts {
            postgres: self.postgres.facts().await?,
            mariadb: self.mariadb.facts().await?,
        };
        for ServerFacts { version, fsync } in [&facts.postgres, &facts.mariadb] {
            if fsync != "on" {
                return Err(format!(
                    "the commits of {version} are not durable, so its rates mean nothing: set fsync \
                     (PostgreSQL) to on, or innodb_flush_log_at_trx_commit (MariaDB) to 1"
                )
                .into());
            }
        }
        if !facts.mariadb.version.starts_with("MariaDB ") {
            let version = &facts.mariadb.version;
            return Err(format!("DATABASE_URL names {version}, which is not MariaDB").into());
        }
        Ok(facts)
    }

    async fn stop(self) -> Result<(), Failure> {
        let stopped = self.mariadb.stop().await;
        self.postgres.stop().await?;
        stopped
    }
}
