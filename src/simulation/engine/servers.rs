//! Starts the servers of a plan, and opens the client of buyers over HTTP.

use std::sync::Arc;

use url::Url;

use super::{Engine, SimulationError, StartedRun};
use crate::simulation::{
    buyer::{Failover, HttpClient},
    own_servers::{OwnServers, OwnServersError, ServersLaunch},
};

impl Engine {
    /// Starts the servers of the plan. Returns `None` if there are none, or if the run is aborted
    /// before they are ready.
    pub(super) async fn start_servers(
        &self,
        started: &StartedRun,
    ) -> Result<Option<OwnServers>, SimulationError> {
        let plan = &started.plan;
        if plan.own_servers == 0 {
            return Ok(None);
        }
        let program = match &self.server_program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(OwnServersError::Program)?,
        };
        let launch = ServersLaunch {
            program,
            database_url: self.url.clone(),
            redis_url: self.gate.as_ref().map(|gate| gate.redis().url().to_owned()),
            run: started.id(),
            servers: plan.own_servers,
            connections: plan.pool_size,
            race_window_ms: plan.race_window_ms,
        };
        let (gate, run) = (started.run.arrival_gate(), Arc::clone(&started.run));
        let servers = OwnServers::start(&launch, move |server| run.record_server_end(server));
        tokio::select! {
            biased;
            () = gate.aborted() => Ok(None),
            servers = servers => Ok(Some(servers?)),
        }
    }
}

/// Returns the client of buyers over HTTP, at the run's own servers or, if it has none, at
/// `targets`; `None` if the buyers buy in this process.
pub fn http_client(
    servers: Option<&OwnServers>,
    targets: &[Url],
) -> Result<Option<HttpClient>, reqwest::Error> {
    let (targets, failover) = match servers {
        Some(servers) => (servers.urls(), Failover::None),
        None => (targets, Failover::ToNextServer),
    };
    match targets {
        [] => Ok(None),
        targets => HttpClient::new(targets, failover).map(Some),
    }
}
