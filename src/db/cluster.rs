//! The nodes of a database cluster.

use std::time::Duration;

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, MySqlPool},
};
use url::Url;

use super::{
    Db, PoolSettings,
    connect::ConnectError,
    engine::{
        Engine,
        mysql::cluster::{self, NodeStatus},
    },
};

/// How long a node may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// A connection of its own to one node of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    pub name: String,
    pub url: String,
    pub db: Db,
    /// The cluster to which it belongs.
    pub cluster: String,
}

/// How often transactions of a node have failed because of another node, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeConflicts {
    /// At COMMIT.
    pub certification_failures: u64,
    /// Before COMMIT, while they held a row that a change of another node needed.
    pub rolled_back: u64,
}

/// Why a node cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("{0} is not a node of a cluster")]
    NoCluster(String),
    #[error("the node {name} is {state}, not Synced")]
    NotSynced { name: String, state: String },
}

impl ClusterNode {
    /// Connects to the node at `address` (`host` or `host:port`), with everything else from `url`.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn connect(url: &str, address: &str) -> Result<Self, NodeError> {
        let url = url_of_node(url, address)?;
        let settings = PoolSettings {
            acquire_timeout: ANSWER_MAX,
            ..PoolSettings::COMMAND
        };
        let db = Db::connect(&url, settings).await?;
        match status_and_name(&db).await {
            Ok((status, name)) => {
                let checked = check(address, &status, &name);
                if let Err(error) = checked {
                    db.close().await;
                    return Err(error);
                }
                Ok(Self {
                    name,
                    url,
                    db,
                    cluster: status.cluster,
                })
            }
            Err(error) => {
                db.close().await;
                Err(ConnectError::Unreachable(error).into())
            }
        }
    }

    /// Reads how often its transactions have failed because of another node.
    pub async fn conflicts(&self) -> Result<NodeConflicts, DbErr> {
        let status = cluster::status(pool_of(&self.db)).await.map_err(failed)?;
        Ok(NodeConflicts {
            certification_failures: status.certification_failures,
            rolled_back: status.rolled_back,
        })
    }
}

/// Returns the number of nodes that the server of `db` can reach, itself included; 0 if it belongs
/// to no cluster.
pub async fn size(db: &Db) -> Result<u32, DbErr> {
    match db.engine() {
        Engine::Postgres => Ok(0),
        Engine::MySql => {
            let status = cluster::status(pool_of(db)).await.map_err(failed)?;
            Ok(status.size)
        }
    }
}

/// Returns the id of the cluster to which the server of `db` belongs; empty if there is none.
pub async fn cluster_of(db: &Db) -> Result<String, DbErr> {
    match db.engine() {
        Engine::Postgres => Ok(String::new()),
        Engine::MySql => {
            let status = cluster::status(pool_of(db)).await.map_err(failed)?;
            Ok(status.cluster)
        }
    }
}

/// Waits until the server of `db`, a node of a cluster, has everything that was committed on any
/// node before this call.
pub async fn wait_until_current(db: &Db) -> Result<(), DbErr> {
    match db.engine() {
        Engine::Postgres => Ok(()),
        Engine::MySql => cluster::wait_until_current(pool_of(db))
            .await
            .map_err(failed),
    }
}

async fn status_and_name(db: &Db) -> Result<(NodeStatus, String), DbErr> {
    let pool = pool_of(db);
    let status = cluster::status(pool).await.map_err(failed)?;
    let name = match status.size {
        0 => String::new(),
        _ => cluster::node_name(pool).await.map_err(failed)?,
    };
    Ok((status, name))
}

fn check(address: &str, status: &NodeStatus, name: &str) -> Result<(), NodeError> {
    if status.size == 0 {
        return Err(NodeError::NoCluster(address.to_owned()));
    }
    if !status.is_synced() {
        return Err(NodeError::NotSynced {
            name: name.to_owned(),
            state: status.state.clone(),
        });
    }
    Ok(())
}

/// Replaces the host and the port of `url`.
fn url_of_node(url: &str, address: &str) -> Result<String, ConnectError> {
    let (_, mut url) = Engine::of_url(url)?;
    let wrong = || ConnectError::Url(format!("{address} is not the address of a node"));
    let node = Url::parse(&format!("mysql://{address}")).map_err(|_| wrong())?;
    let host = node.host_str().filter(|host| !host.is_empty());
    url.set_host(Some(host.ok_or_else(wrong)?))
        .map_err(|_| wrong())?;
    url.set_port(node.port()).map_err(|()| wrong())?;
    Ok(url.into())
}

fn pool_of(db: &Db) -> &MySqlPool {
    db.transactions().get_mysql_connection_pool()
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_the_url_of_the_database_with_another_address() {
        let url = "mysql://shop:secret@node1:3307/sale?ssl-mode=disabled";
        for (address, expected) in [
            (
                "node2:3308",
                "mysql://shop:secret@node2:3308/sale?ssl-mode=disabled",
            ),
            (
                "10.0.0.2",
                "mysql://shop:secret@10.0.0.2/sale?ssl-mode=disabled",
            ),
        ] {
            let node = url_of_node(url, address).expect("an address");
            assert_eq!(node, expected);
        }
        for wrong in ["", "node2:port", "a b"] {
            assert!(url_of_node(url, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_a_synced_node_is_written_to() {
        let status = |size, state: &str| NodeStatus {
            size,
            state: state.to_owned(),
            ..NodeStatus::default()
        };
        assert!(check("node2", &status(3, "Synced"), "two").is_ok());
        let refused = |status| {
            let error = check("node2", &status, "two").expect_err("refused");
            error.to_string()
        };
        assert_eq!(refused(status(0, "")), "node2 is not a node of a cluster");
        assert_eq!(
            refused(status(3, "Donor/Desynced")),
            "the node two is Donor/Desynced, not Synced"
        );
    }
}
