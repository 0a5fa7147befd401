//! The connections of a run. They are closed when the run ends, and if it cannot be opened.

use crate::db::{Db, cluster::ClusterNode};

/// A connection pool of buyers.
#[derive(Clone, Debug)]
pub struct BuyersPool {
    pub db: Db,
    /// The run's own connections to the same server.
    pub server: Db,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct RunConnections {
    /// The run's own connections, which do not compete with the buyers'.
    pub control_db: Db,
    /// The nodes of the cluster; none unless the plan chooses writer nodes.
    pub nodes: Vec<ClusterNode>,
    /// The connection pools of the buyers: one for each lane, or one that the lanes use in turn; if
    /// the plan chooses writer nodes, those of `writers::pool_plans`. None if the run starts
    /// servers, which have pools of their own.
    pub buyers_pools: Vec<BuyersPool>,
}

impl RunConnections {
    /// The connections of a run before those to nodes and those of buyers are opened.
    pub fn new(control_db: Db) -> Self {
        Self {
            control_db,
            nodes: Vec::new(),
            buyers_pools: Vec::new(),
        }
    }

    /// Closes all of them.
    pub async fn close(self) {
        for pool in self.buyers_pools {
            pool.db.close().await;
        }
        for node in self.nodes {
            node.db.close().await;
        }
        self.control_db.close().await;
    }
}
