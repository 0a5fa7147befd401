//! Describes the machine and the database of a sweep, without which its figures cannot be
//! interpreted.

use std::thread::available_parallelism;

use serde::Serialize;

use crate::{
    db::{ConnectError, Db, PoolSettings},
    model::{ShopError, utc_time::shorten_rfc3339},
    shop::moment,
    simulation::store,
};

/// The machine and the database of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Processor cores available to this program.
    pub cores: usize,
    /// Operating system and architecture.
    pub system: String,
    /// Product and version of the database server, such as `MariaDB 10.11.14`.
    pub database: String,
    /// Whether the database server makes commits durable.
    pub fsync: String,
    /// Maximum number of concurrent transactions of the buyers or, if the runs start servers, of
    /// each server.
    pub pool_size: u32,
    /// Start time of the sweep, by the database's clock, in RFC 3339.
    pub began_at: String,
    /// Version of this program.
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
    /// The start time for people.
    pub fn began_in_utc(&self) -> String {
        shorten_rfc3339(&self.began_at)
    }

    /// Describes this machine and the database at `url`, for runs with this size of a pool.
    pub async fn with_database(url: &str, pool_size: u32) -> Result<Self, MachineError> {
        let db = Db::connect(url, PoolSettings::COMMAND).await?;
        let server = store::server(&db).await;
        db.close().await;
        let server = server?;
        Ok(Self {
            cores: available_parallelism().map_or(1, std::num::NonZero::get),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            database: server.name,
            fsync: server.fsync,
            pool_size,
            began_at: moment::in_rfc3339(server.now),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }
}
