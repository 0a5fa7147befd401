//! What a fault holds from its cause to its cure.

use std::any::Any;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::task::JoinSet;

use crate::support::database::ByHand;

#[derive(Default)]
pub struct Held {
    /// Open transactions.
    pub transactions: Vec<ByHand>,
    /// Connections that only take a place.
    pub connections: Vec<Box<dyn Any + Send>>,
    /// Processes that are stopped.
    pub stopped: Vec<Pid>,
    /// What causes the fault again and again.
    pub tasks: JoinSet<()>,
}

impl Held {
    /// Stops a process, which keeps its connections and locks, unless it has just ended.
    pub fn stop(&mut self, process: Pid) {
        if kill(process, Signal::SIGSTOP).is_ok() {
            self.stopped.push(process);
        }
    }

    /// Lets go of everything. A task that has failed has caused nothing, so that fails the run.
    pub async fn release(&mut self) {
        self.tasks.abort_all();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                assert!(error.is_cancelled(), "the cause of a fault: {error}");
            }
        }
        // The first of a server's processes starts others, so it goes on last.
        for process in self.stopped.drain(..).rev() {
            kill(process, Signal::SIGCONT).ok();
        }
        for transaction in self.transactions.drain(..) {
            // Its connection may be gone, and its transaction with it.
            transaction.try_run("ROLLBACK").await.ok();
        }
        self.connections.clear();
    }
}
