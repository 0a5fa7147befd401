//! Reads the name and the settings of the database server, to report them with measurements.

use time::OffsetDateTime;

use crate::{
    db::{Db, dialect, txn},
    model::ShopError,
};

/// The database server that a measurement ran on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseServer {
    /// Product and version, such as `MariaDB 10.11.14`.
    pub name: String,
    /// The setting `fsync`; a value other than `on` gives up durability.
    pub fsync: String,
    /// The time of the server.
    pub now: OffsetDateTime,
}

/// Reads the name and the settings of the database server.
pub async fn server(db: &Db) -> Result<DatabaseServer, ShopError> {
    let server = dialect::server(db.reader())
        .await
        .map_err(txn::read_error)?;
    Ok(DatabaseServer {
        name: server.name,
        fsync: server.fsync,
        now: server.now,
    })
}
