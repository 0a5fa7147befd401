//! The nodes of a cluster to which the buyers of a run write.

use std::ops::Range;

use super::{Engine, connections::RunConnections};
use crate::{
    db::{
        ConnectError, Db,
        cluster::{self, ClusterNode, NodeConflicts, NodeError},
        txn,
    },
    model::{ClusterFigures, DatabaseEngine, ShopError, SimulationPlan, plan::Writers},
};

/// The field of the plan that errors name.
const FIELD: &str = "writers";

/// Where a pool of buyers connects to, and how many connections it has.
pub struct PoolPlan<'n> {
    /// `None` for the server of `DATABASE_URL`.
    pub node: Option<&'n ClusterNode>,
    pub connections: u32,
}

impl Engine {
    /// Sets the addresses of the nodes of the cluster, to which a plan can let its buyers write.
    #[must_use]
    pub fn with_nodes(self, nodes: Vec<String>) -> Self {
        Self { nodes, ..self }
    }

    /// Whether a plan can choose its writer nodes: the addresses of several are known, and the
    /// server of `db` is one of several nodes.
    pub async fn has_writers(&self, db: &Db) -> bool {
        // If the database fails, the page says so where it needs it.
        self.nodes.len() > 1 && cluster::size(db).await.is_ok_and(|size| size > 1)
    }

    /// Checks that a plan chooses writer nodes only where there are some.
    pub(super) fn check_writers(
        &self,
        plan: &SimulationPlan,
        engine: DatabaseEngine,
    ) -> Result<(), ShopError> {
        if plan.writers.is_none() {
            return Ok(());
        }
        if engine != DatabaseEngine::MySql {
            return Err(refused(
                "Writer nodes can be chosen only on a Galera cluster of MariaDB.",
            ));
        }
        if self.nodes.len() < 2 {
            return Err(refused(
                "Writer nodes can be chosen only if DATABASE_NODES has the addresses of at least \
                 two nodes of the cluster.",
            ));
        }
        Ok(())
    }

    /// Connects to the nodes of a plan that chooses them. Every node must be synced, and belong to
    /// the cluster of the run's own server.
    pub(super) async fn connect_nodes(
        &self,
        plan: &SimulationPlan,
        connections: &mut RunConnections,
    ) -> Result<(), ShopError> {
        if plan.writers.is_none() {
            return Ok(());
        }
        let own = cluster::cluster_of(&connections.control_db);
        let own = own.await.map_err(txn::read_error)?;
        for address in &self.nodes {
            let node = ClusterNode::connect(&self.url, address).await;
            let node = node.map_err(|error| refused_node(address, &error))?;
            let is_own = node.cluster == own;
            connections.nodes.push(node);
            if !is_own {
                return Err(refused(&format!(
                    "The node {address} of DATABASE_NODES does not belong to the cluster of \
                     DATABASE_URL."
                )));
            }
        }
        Ok(())
    }
}

fn refused(why: &str) -> ShopError {
    ShopError::field_invalid(FIELD, why)
}

fn refused_node(address: &str, error: &NodeError) -> ShopError {
    let why = match error {
        NodeError::Connect(ConnectError::Unreachable(_)) => "it cannot be reached".to_owned(),
        other => other.to_string(),
    };
    refused(&format!(
        "The node {address} of DATABASE_NODES cannot be written to: {why}."
    ))
}

/// Returns the pools of the buyers of a plan that chooses writer nodes: those of each kind of lane,
/// in the order of [`Writers::lanes`]. All kinds have the same number of connections in total, if
/// it is not less than the number of nodes.
pub fn pool_plans<'n>(plan: &SimulationPlan, nodes: &'n [ClusterNode]) -> Vec<PoolPlan<'n>> {
    let lanes = plan.writers.map_or(&[][..], Writers::lanes);
    let pools = lanes.iter().flat_map(|writers| {
        let written = nodes_of(*writers, nodes);
        let shares = shares(plan.pool_size, written.len());
        written
            .iter()
            .zip(shares)
            .map(|(node, connections)| PoolPlan {
                node: Some(node),
                connections,
            })
    });
    pools.collect()
}

/// Returns the pools of the lanes that write to `writers`, of those of [`pool_plans`].
pub fn pools_of(writers: Writers, pools: usize, nodes: usize) -> Range<usize> {
    match writers {
        Writers::One => 0..pools.min(1),
        Writers::All | Writers::Both => pools.saturating_sub(nodes)..pools,
    }
}

fn nodes_of(writers: Writers, nodes: &[ClusterNode]) -> &[ClusterNode] {
    match writers {
        Writers::One => &nodes[..nodes.len().min(1)],
        Writers::All | Writers::Both => nodes,
    }
}

/// Divides connections among nodes: each has at least one.
fn shares(connections: u32, nodes: usize) -> Vec<u32> {
    let count = u32::try_from(nodes).unwrap_or(u32::MAX).max(1);
    let (each, rest) = (connections / count, connections % count);
    (0..count)
        .take(nodes)
        .map(|node| (each + u32::from(node < rest)).max(1))
        .collect()
}

/// Waits until each node has everything that was committed on any of them.
pub async fn wait_for_nodes(nodes: &[ClusterNode]) -> Result<(), ShopError> {
    for node in nodes {
        let current = cluster::wait_until_current(&node.db);
        current.await.map_err(txn::read_error)?;
    }
    Ok(())
}

/// How often transactions had failed on each node because of another one, before a lane began.
#[derive(Debug)]
pub struct ConflictsBefore(Vec<NodeConflicts>);

impl ConflictsBefore {
    /// Reads the counts of the nodes.
    pub async fn read(nodes: &[ClusterNode]) -> Result<Self, ShopError> {
        let mut counts = Vec::with_capacity(nodes.len());
        for node in nodes {
            counts.push(node.conflicts().await.map_err(txn::read_error)?);
        }
        Ok(Self(counts))
    }

    /// Returns what has happened since, on all nodes, while a lane wrote to `writers`; `None`
    /// without nodes, and if one of them was lost, with its counts.
    pub async fn figures(
        self,
        writers: Option<Writers>,
        nodes: &[ClusterNode],
    ) -> Option<ClusterFigures> {
        let written = nodes_of(writers?, nodes);
        let now = match Self::read(nodes).await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(%error, "the conflicts between the nodes could not be counted");
                return None;
            }
        };
        let mut figures = ClusterFigures {
            nodes: u32::try_from(written.len()).unwrap_or(u32::MAX),
            node_names: written.iter().map(|node| node.name.clone()).collect(),
            ..ClusterFigures::default()
        };
        for (before, now) in self.0.iter().zip(&now.0) {
            figures.certification_failures += now
                .certification_failures
                .saturating_sub(before.certification_failures);
            figures.rolled_back += now.rolled_back.saturating_sub(before.rolled_back);
        }
        Some(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_share_the_connections_of_one() {
        for (connections, nodes, expected) in [
            (15, 3, vec![5, 5, 5]),
            (16, 3, vec![6, 5, 5]),
            (2, 3, vec![1, 1, 1]),
            (16, 1, vec![16]),
            (16, 0, vec![]),
        ] {
            assert_eq!(
                shares(connections, nodes),
                expected,
                "{connections}, {nodes}"
            );
        }
    }

    #[test]
    fn the_pools_of_a_comparison_are_those_of_one_node_and_then_those_of_all() {
        assert_eq!(pools_of(Writers::One, 1, 3), 0..1);
        assert_eq!(pools_of(Writers::All, 3, 3), 0..3);
        assert_eq!(pools_of(Writers::One, 4, 3), 0..1);
        assert_eq!(pools_of(Writers::All, 4, 3), 1..4);
    }

    #[test]
    fn a_choice_of_nodes_is_refused_where_there_are_none() {
        let engine = |nodes: &[&str]| {
            let nodes = nodes.iter().map(ToString::to_string).collect();
            Engine::new(String::new(), crate::feed::Feed::default()).with_nodes(nodes)
        };
        let chosen = SimulationPlan {
            writers: Some(Writers::All),
            ..SimulationPlan::preset()
        };
        let refused = |engine: &Engine, on, plan: &SimulationPlan| {
            let checked = engine.check_writers(plan, on);
            checked.err().map(|error| {
                let message = error.field_message(FIELD);
                message.unwrap_or_default().to_owned()
            })
        };
        let (postgres, mysql) = (DatabaseEngine::Postgres, DatabaseEngine::MySql);
        let two = engine(&["node1", "node2"]);
        let on_postgres = refused(&two, postgres, &chosen).unwrap_or_default();
        assert!(
            on_postgres.contains("only on a Galera cluster"),
            "{on_postgres}"
        );
        let one = refused(&engine(&["node1"]), mysql, &chosen).unwrap_or_default();
        assert!(one.contains("DATABASE_NODES"), "{one}");
        assert_eq!(refused(&two, mysql, &chosen), None);
        assert_eq!(
            refused(&engine(&[]), postgres, &SimulationPlan::preset()),
            None
        );
    }
}
