//! The race window: an injection point between reading stock and writing it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use sea_orm::DbErr;

use crate::db::{dialect, txn::Work};

/// Longer than `idle_in_transaction_session_timeout`, after which PostgreSQL ends the session.
const FREEZE_TIME: Duration = Duration::from_millis(5_500);

/// The action between read and write. The shop uses none; the workbench uses a pause, which makes
/// the race window wide enough to see; a test uses a hook, which forces one interleaving.
#[derive(Clone, Default)]
pub enum InjectionPoint {
    /// No action: the window is as narrow as the machine makes it.
    #[default]
    Disabled,
    /// Every buyer pauses for this long.
    Pause(Duration),
    /// Every buyer awaits the future that this returns.
    Hook(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>),
    /// Injects a fault.
    Fault(Fault),
}

/// The faults that can be injected between read and write, while other buyers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client freezes with its transaction open, until PostgreSQL ends the session.
    Freeze,
    /// One statement takes this long.
    SlowStatement(Duration),
    /// The connection is terminated.
    DropConnection,
}

impl InjectionPoint {
    /// Returns a pause of `ms` milliseconds; disabled for 0.
    pub fn from_ms(ms: u32) -> Self {
        if ms == 0 {
            Self::Disabled
        } else {
            Self::Pause(Duration::from_millis(ms.into()))
        }
    }

    /// Runs the action. A strategy calls this between its read and its write, inside its
    /// transaction.
    ///
    /// # Errors
    /// `DbErr` if an injected fault makes a statement fail; never without a fault.
    pub async fn run(&self, work: &Work) -> Result<(), DbErr> {
        match self {
            Self::Fault(Fault::SlowStatement(pause)) => {
                dialect::sleep(work.connection(), *pause).await
            }
            Self::Fault(Fault::DropConnection) => dialect::end_own_session(work.connection()).await,
            _ => {
                work.time_pause(self.run_outside_transaction()).await;
                Ok(())
            }
        }
    }

    /// Runs the action outside a transaction. A strategy without a gap between read and write calls
    /// this before its only statement. A fault here only delays the buyer: no lock is held that
    /// others could wait for. Returns how long it took.
    pub async fn run_outside_transaction(&self) -> Duration {
        let start = Instant::now();
        match self {
            Self::Disabled | Self::Fault(Fault::DropConnection) => {}
            Self::Pause(pause) | Self::Fault(Fault::SlowStatement(pause)) => {
                tokio::time::sleep(*pause).await;
            }
            Self::Fault(Fault::Freeze) => tokio::time::sleep(FREEZE_TIME).await,
            Self::Hook(hook) => hook().await,
        }
        start.elapsed()
    }
}

impl fmt::Debug for InjectionPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("Disabled"),
            Self::Pause(pause) => write!(f, "Pause({pause:?})"),
            Self::Hook(_) => f.write_str("Hook"),
            Self::Fault(fault) => write!(f, "Fault({fault:?})"),
        }
    }
}
