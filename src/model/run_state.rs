//! Where a run stands, what its leader wishes, and what happened to it on the way.

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    /// Nobody new is let in; who is inside is served.
    Paused,
    /// Nobody new will be let in any more; who is inside is served.
    Stopping,
    /// Everybody has been served.
    Finished,
    /// It was ended early, once everybody inside had been served.
    Stopped,
    /// It was ended at once; who was inside was sent away without an answer.
    Aborted,
    /// It came to no verdict.
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

    /// The state, as stored.
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

    /// The state, as a page names it.
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

    /// True when nothing more will happen.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Paused | Self::Stopping)
    }
}

/// What the leader of a run wants of it. What has been stopped does not go on again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunWish {
    #[default]
    Run,
    /// Let nobody new in, for now.
    Pause,
    /// Let nobody new in, serve who is inside, and judge.
    Stop,
    /// Send everybody away, and judge.
    Abort,
}

impl RunWish {
    /// Every wish.
    pub const ALL: [Self; 4] = [Self::Run, Self::Pause, Self::Stop, Self::Abort];

    /// The wish, as stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Abort => "abort",
        }
    }

    /// The wish of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wish| wish.as_str() == name)
    }

    /// True when it ends the run.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Stop | Self::Abort)
    }

    /// The state of a run that goes on under this wish.
    pub const fn state(self) -> RunState {
        match self {
            Self::Run => RunState::Running,
            Self::Pause => RunState::Paused,
            Self::Stop | Self::Abort => RunState::Stopping,
        }
    }
}

/// Something that happened to a run, for the time axis of its charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunEvent {
    /// The lane on whose axis it stands; none: on that of all lanes, which run together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<usize>,
    /// Since that lane's first buyer started, or the first of all lanes.
    pub elapsed_ms: u64,
    pub kind: RunEventKind,
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEventKind {
    Paused,
    Resumed,
    Stopped,
    Aborted,
    /// The last unit left the shelf.
    SoldOut,
    /// More was sold than there was.
    Oversold,
}

impl RunEventKind {
    /// As a chart labels it.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::Resumed => "Resumed",
            Self::Stopped => "Stopped",
            Self::Aborted => "Aborted",
            Self::SoldOut => "Sold out",
            Self::Oversold => "Oversold",
        }
    }
}

impl From<RunWish> for RunEventKind {
    fn from(wish: RunWish) -> Self {
        match wish {
            RunWish::Run => Self::Resumed,
            RunWish::Pause => Self::Paused,
            RunWish::Stop => Self::Stopped,
            RunWish::Abort => Self::Aborted,
        }
    }
}
