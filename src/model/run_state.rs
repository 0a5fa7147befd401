//! The state of a run, the commands that its administrator gives, and the events of its timeline.

use serde::{Deserialize, Serialize};

/// The state of a simulation run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    /// No new attempts start; attempts in progress finish.
    Paused,
    /// No more attempts will start; attempts in progress finish.
    Stopping,
    /// All attempts have finished.
    Finished,
    /// Ended early, after the attempts in progress had finished.
    Stopped,
    /// Ended at once; the attempts in progress were cancelled without a result.
    Aborted,
    /// Ended by an error, without a verdict.
    Failed,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Paused,
        Self::Stopping,
        Self::Finished,
        Self::Stopped,
        Self::Aborted,
        Self::Failed,
    ];

    /// The stored text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Aborted => "aborted",
            Self::Failed => "failed",
        }
    }

    /// The label on pages.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Paused => "Paused",
            Self::Stopping => "Stopping",
            Self::Finished => "Finished",
            Self::Stopped => "Stopped",
            Self::Aborted => "Aborted",
            Self::Failed => "Failed",
        }
    }

    /// True if the run has ended.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Paused | Self::Stopping)
    }
}

/// A command that an administrator gives to a run. A run that was stopped cannot be resumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunCommand {
    #[default]
    Run,
    /// Start no new attempts for now.
    Pause,
    /// Start no new attempts, finish those in progress, and compute the verdict.
    Stop,
    /// Cancel all attempts in progress, and compute the verdict.
    Abort,
}

impl RunCommand {
    /// Every command.
    pub const ALL: [Self; 4] = [Self::Run, Self::Pause, Self::Stop, Self::Abort];

    /// The command, as stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Abort => "abort",
        }
    }

    /// The command of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|command| command.as_str() == name)
    }

    /// True if the command ends the run.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Stop | Self::Abort)
    }

    /// The state of a run that goes on under this command.
    pub const fn state(self) -> RunState {
        match self {
            Self::Run => RunState::Running,
            Self::Pause => RunState::Paused,
            Self::Stop | Self::Abort => RunState::Stopping,
        }
    }
}

/// An event of a run, drawn on the time axis of its charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEvent {
    /// The lane of the event; `None` if all lanes run at the same time and share one axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<usize>,
    /// Since the first buyer of that lane, or of all lanes, started.
    pub elapsed_ms: u64,
    pub kind: RunEventKind,
    /// The server of the event, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<u32>,
}

impl RunEvent {
    /// The label on charts.
    pub fn in_words(&self) -> String {
        match self.server {
            Some(server) => format!("Server {server} ended"),
            None => self.kind.in_words().to_owned(),
        }
    }
}

/// The kind of a run event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEventKind {
    Paused,
    Resumed,
    Stopped,
    Aborted,
    /// The last unit was sold.
    SoldOut,
    /// More units were sold than the stock had.
    Oversold,
    /// A server that the run had started ended before the run.
    ServerEnded,
}

impl RunEventKind {
    /// The label, without a lane or a server.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::Resumed => "Resumed",
            Self::Stopped => "Stopped",
            Self::Aborted => "Aborted",
            Self::SoldOut => "Sold out",
            Self::Oversold => "Oversold",
            Self::ServerEnded => "Server ended",
        }
    }
}

impl From<RunCommand> for RunEventKind {
    fn from(command: RunCommand) -> Self {
        match command {
            RunCommand::Run => Self::Resumed,
            RunCommand::Pause => Self::Paused,
            RunCommand::Stop => Self::Stopped,
            RunCommand::Abort => Self::Aborted,
        }
    }
}
