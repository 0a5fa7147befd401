//! What the database server says of itself, for those who measure on it.

use crate::{
    db::{Db, dialect, txn},
    model::ShopError,
    shop::moment,
};

/// The server that a measurement ran on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseServer {
    pub version: String,
    /// `on`, unless somebody gave durability away.
    pub fsync: String,
    /// As a person reads it.
    pub now: String,
}

/// Asks the server what it is.
///
/// # Errors
/// What a database failure means.
pub async fn server(db: &Db) -> Result<DatabaseServer, ShopError> {
    let server = dialect::server(db.reader())
        .await
        .map_err(txn::read_error)?;
    Ok(DatabaseServer {
        version: server.version,
        fsync: server.fsync,
        now: moment::in_utc(server.now),
    })
}
