//! The three nodes of a cluster that `scripts/engines.sh galera` has started on this machine.

use std::time::{Duration, Instant};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sea_orm::sqlx::{self, Connection, MySqlConnection, Row};
use url::Url;

use crate::support::{PATIENCE, database::ByHand};

pub const NODES: usize = 3;
/// How long a node may take to leave or to join the others.
const CHANGE_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(100);

/// See the module's documentation.
pub struct Cluster {
    /// The URL of each node.
    nodes: Vec<Url>,
}

impl Cluster {
    /// Starts the nodes that an earlier test has killed.
    pub async fn start() -> Self {
        let urls = std::env::var("GALERA_URLS");
        let urls = urls.expect("GALERA_URLS has three URLs; ./makew test-engines sets it");
        let nodes = urls.split(',').map(|url| Url::parse(url).expect("a URL"));
        let cluster = Self {
            nodes: nodes.collect(),
        };
        assert_eq!(cluster.nodes.len(), NODES);
        cluster.start_killed_nodes().await;
        cluster
    }

    /// Returns the URL of the database of `url` on a node.
    pub fn url(&self, node: usize, url: &str) -> String {
        let mut here = self.nodes[node].clone();
        here.set_path(Url::parse(url).expect("a URL").path());
        here.into()
    }

    /// Returns the address of each node, as `DATABASE_NODES` has it.
    pub fn addresses(&self) -> Vec<String> {
        let address = |url: &Url| {
            let (host, port) = (url.host_str(), url.port());
            format!("{}:{}", host.expect("a host"), port.expect("a port"))
        };
        self.nodes.iter().map(address).collect()
    }

    pub async fn start_killed_nodes(&self) {
        let started = tokio::process::Command::new("scripts/engines.sh")
            .arg("galera")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        let started = started.await.expect("the script runs");
        assert!(started.success(), "{started}");
    }

    /// Kills the process of a node.
    pub async fn kill(&self, node: usize) {
        let by_hand = ByHand::new(self.nodes[node].as_str()).await;
        let file: String = by_hand.value("SELECT @@pid_file").await;
        let pid = std::fs::read_to_string(file).expect("the node's process id");
        let pid = Pid::from_raw(pid.trim().parse().expect("a number"));
        kill(pid, Signal::SIGKILL).expect("it runs");
    }

    /// Cuts a node off from the others, or lets it join them again, and waits until it has noticed.
    pub async fn isolate(&self, node: usize, isolated: bool) {
        let mut connection = self.connection(node).await;
        let option = match isolated {
            true => "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'",
            false => "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'",
        };
        let set = sqlx::raw_sql(option).execute(&mut connection).await;
        set.expect("the node accepts it");
        let deadline = Instant::now() + CHANGE_MAX;
        while self.is_synced(node).await == isolated {
            assert!(
                Instant::now() < deadline,
                "node {node}, isolated: {isolated}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a node has everything that was committed on the others before this call.
    pub async fn until_current(&self, url: &str) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = read_current(url).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(POLL).await;
        }
    }

    async fn is_synced(&self, node: usize) -> bool {
        // A node that is not synced prepares no statement.
        let state = "SHOW GLOBAL STATUS LIKE 'wsrep_local_state_comment'";
        let mut connection = self.connection(node).await;
        let row = sqlx::raw_sql(state).fetch_one(&mut connection).await;
        let state: String = row.expect("the node has a state").get(1);
        state == "Synced"
    }

    async fn connection(&self, node: usize) -> MySqlConnection {
        MySqlConnection::connect(self.nodes[node].as_str())
            .await
            .expect("the node answers")
    }
}

/// Reads a table of the shop when the node has applied everything that the cluster has committed.
async fn read_current(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = MySqlConnection::connect(url).await?;
    for sql in [
        "SET SESSION wsrep_sync_wait = 1",
        "SELECT count(*) FROM customer_order",
    ] {
        sqlx::raw_sql(sql).execute(&mut connection).await?;
    }
    connection.close().await
}
