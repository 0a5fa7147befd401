//! The gate that every buyer of a run passes before an attempt. The administrator can close it for
//! a pause, close it for good, or abort the run.

use std::time::{Duration, Instant};

use tokio::{sync::watch, time::sleep_until};

use crate::model::RunCommand;

/// See the module's documentation.
#[derive(Debug)]
pub struct ArrivalGate(watch::Sender<GateState>);

#[derive(Clone, Copy, Debug, Default)]
struct GateState {
    command: RunCommand,
    /// When the current pause began.
    closed_at: Option<Instant>,
    /// How long all earlier pauses lasted.
    closed_for: Duration,
}

impl GateState {
    fn closed_for(&self, now: Instant) -> Duration {
        let closed_at = self.closed_at.unwrap_or(now);
        self.closed_for + now.saturating_duration_since(closed_at)
    }
}

impl ArrivalGate {
    /// Creates an open gate.
    pub fn new() -> Self {
        Self(watch::Sender::new(GateState::default()))
    }

    /// Returns the current command.
    pub fn command(&self) -> RunCommand {
        self.0.borrow().command
    }

    /// Returns how long the gate has been closed, over all pauses.
    pub fn closed_for(&self) -> Duration {
        self.0.borrow().closed_for(Instant::now())
    }

    /// Applies a command. Returns false if nothing changes: the command is the current one, or the
    /// run is ending.
    pub fn apply(&self, command: RunCommand) -> bool {
        self.0.send_if_modified(|state| {
            let unchanged = state.command == RunCommand::Abort
                || state.command == command
                || (state.command.is_end() && !command.is_end());
            if unchanged {
                return false;
            }
            let now = Instant::now();
            state.closed_for = state.closed_for(now);
            state.closed_at = (command == RunCommand::Pause).then_some(now);
            state.command = command;
            true
        })
    }

    /// Waits until a buyer who is due at `due` may pass. `due` was planned when the gate had been
    /// closed for `closed_before`; later pauses postpone it by their length. Returns the moment of
    /// arrival, or `None` if the gate is closed for good.
    pub async fn enter(&self, due: Instant, closed_before: Duration) -> Option<Instant> {
        let mut state = self.0.subscribe();
        loop {
            let now = *state.borrow_and_update();
            let due = due + now.closed_for.saturating_sub(closed_before);
            match now.command {
                RunCommand::Stop | RunCommand::Abort => return None,
                RunCommand::Run if due <= Instant::now() => return Some(due),
                RunCommand::Run => {
                    tokio::select! {
                        biased;
                        changed = state.changed() => changed.ok()?,
                        () = sleep_until(due.into()) => return Some(due),
                    }
                }
                RunCommand::Pause => state.changed().await.ok()?,
            }
        }
    }

    /// Waits until the run is aborted.
    pub async fn aborted(&self) {
        let mut state = self.0.subscribe();
        let aborted = state.wait_for(|state| state.command == RunCommand::Abort);
        if aborted.await.is_err() {
            // The gate was dropped, so the run is over.
            std::future::pending::<()>().await;
        }
    }
}

impl Default for ArrivalGate {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_stopped_run_cannot_be_resumed() {
        let gate = ArrivalGate::new();
        assert!(!gate.apply(RunCommand::Run), "the run is not paused");
        assert!(gate.apply(RunCommand::Pause));
        assert!(gate.apply(RunCommand::Stop));
        assert!(!gate.apply(RunCommand::Run));
        assert!(!gate.apply(RunCommand::Pause));
        assert!(
            gate.apply(RunCommand::Abort),
            "a stopping run can be aborted"
        );
        assert!(!gate.apply(RunCommand::Stop));
    }

    #[tokio::test]
    async fn an_open_gate_admits_a_due_buyer_at_once() {
        let (gate, now) = (ArrivalGate::new(), Instant::now());
        assert_eq!(gate.enter(now, Duration::ZERO).await, Some(now));
    }

    #[tokio::test]
    async fn a_buyer_waits_until_it_is_due() {
        let gate = ArrivalGate::new();
        let due = Instant::now() + Duration::from_millis(5);
        assert_eq!(gate.enter(due, Duration::ZERO).await, Some(due));
        assert!(Instant::now() >= due);
    }

    #[tokio::test]
    async fn a_pause_postpones_arrivals_by_its_length() {
        let gate = Arc::new(ArrivalGate::new());
        gate.apply(RunCommand::Pause);
        let due = Instant::now();
        let closed_before = Duration::ZERO;
        let mut waiting = Box::pin(gate.enter(due, closed_before));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        gate.apply(RunCommand::Run);
        assert_eq!(waiting.await, Some(due + gate.closed_for()));
    }

    #[tokio::test]
    async fn stop_and_abort_end_the_wait_at_the_gate() {
        for command in [RunCommand::Stop, RunCommand::Abort] {
            let gate = ArrivalGate::new();
            gate.apply(RunCommand::Pause);
            let mut waiting = Box::pin(gate.enter(Instant::now(), Duration::ZERO));
            assert_eq!(waiting.as_mut().now_or_never(), None);
            let later = Instant::now() + Duration::from_secs(3_600);
            let mut thinking = Box::pin(gate.enter(later, Duration::ZERO));
            assert_eq!(thinking.as_mut().now_or_never(), None);
            gate.apply(command);
            assert_eq!(waiting.await, None);
            assert_eq!(thinking.await, None);
        }
    }

    #[tokio::test]
    async fn only_abort_ends_attempts_in_progress() {
        let gate = ArrivalGate::new();
        gate.apply(RunCommand::Stop);
        assert_eq!(gate.aborted().now_or_never(), None);
        gate.apply(RunCommand::Abort);
        assert_eq!(gate.aborted().now_or_never(), Some(()));
    }
}
