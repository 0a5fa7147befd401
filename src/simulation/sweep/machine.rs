//! On what a sweep ran: figures without it mean nothing.

use std::thread::available_parallelism;

use serde::Serialize;

use crate::{
    db::{ConnectError, Db, PoolSettings},
    model::ShopError,
    simulation::store,
};

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Processor cores that this program may use.
    pub cores: usize,
    /// System and architecture.
    pub system: String,
    /// PostgreSQL's version.
    pub postgresql: String,
    /// Whether PostgreSQL makes commits durable.
    pub fsync: String,
    /// Transactions that the buyers may have open at once.
    pub pool_size: u32,
    /// When the sweep began, by the database's clock.
    pub began_at: String,
    /// Of this program.
    pub version: String,
}

/// Why a machine could not be described.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Shop(#[from] ShopError),
}

impl Machine {
    /// This machine, and the database at `url`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn with_database(url: &str) -> Result<Self, MachineError> {
        let db = Db::connect(url, PoolSettings::COMMAND).await?;
        let server = store::server(&db).await;
        db.close().await;
        let server = server?;
        Ok(Self {
            cores: available_parallelism().map_or(1, std::num::NonZero::get),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            // What follows is the packager's own numbering.
            postgresql: server
                .version
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            fsync: server.fsync,
            pool_size: PoolSettings::SIMULATION.transactions_max,
            began_at: server.now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}
