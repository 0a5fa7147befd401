//! The race window: the one seam between reading stock and writing it.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use sea_orm::DbErr;

use crate::db::{dialect, txn::Work};

/// Longer than a transaction may stand idle before the database ends its session.
const FREEZE: Duration = Duration::from_millis(5_500);

/// What happens between read and write. Nothing in the shop; a pause in the workbench, where it makes the window wide enough to
/// see; a hook in a test, where it forces one interleaving.
#[derive(Clone, Default)]
pub enum Seam {
    /// The window is as narrow as the machine makes it.
    #[default]
    Closed,
    /// Every buyer stands still for this long.
    Pause(Duration),
    /// Every buyer awaits what this returns.
    Hook(Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>),
    /// Something goes wrong here.
    Fault(Fault),
}

/// What can go wrong between read and write, while other buyers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The buyer's program freezes with the transaction open, until the database ends its session.
    Freeze,
    /// A statement takes this long.
    SlowStatement(Duration),
    /// The connection is cut.
    DropConnection,
}

impl Seam {
    /// A pause of `ms` milliseconds; none for 0.
    pub fn of_ms(ms: u32) -> Self {
        if ms == 0 {
            Self::Closed
        } else {
            Self::Pause(Duration::from_millis(ms.into()))
        }
    }

    /// Called by a strategy at its seam, inside of its transaction.
    ///
    /// # Errors
    /// What the database says to a fault; never without one.
    pub async fn pass(&self, work: &Work) -> Result<(), DbErr> {
        match self {
            Self::Fault(Fault::Freeze) => {
                tokio::time::sleep(FREEZE).await;
                Ok(())
            }
            Self::Fault(Fault::SlowStatement(pause)) => {
                dialect::sleep(work.connection(), *pause).await
            }
            Self::Fault(Fault::DropConnection) => dialect::end_own_session(work.connection()).await,
            _ => {
                self.pass_outside().await;
                Ok(())
            }
        }
    }

    /// Called by a strategy that leaves no gap, before its only statement. A fault meets nothing here but the buyer's own time: nothing is
    /// open yet that others could wait for.
    pub async fn pass_outside(&self) {
        match self {
            Self::Closed | Self::Fault(Fault::DropConnection) => {}
            Self::Pause(pause) | Self::Fault(Fault::SlowStatement(pause)) => {
                tokio::time::sleep(*pause).await;
            }
            Self::Fault(Fault::Freeze) => tokio::time::sleep(FREEZE).await,
            Self::Hook(hook) => hook().await,
        }
    }
}

impl fmt::Debug for Seam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("Closed"),
            Self::Pause(pause) => write!(f, "Pause({pause:?})"),
            Self::Hook(_) => f.write_str("Hook"),
            Self::Fault(fault) => write!(f, "Fault({fault:?})"),
        }
    }
}
