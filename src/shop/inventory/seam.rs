//! The race window: the one seam between reading stock and writing it.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;

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

    /// Called by a strategy at its seam.
    pub async fn pass(&self) {
        match self {
            Self::Closed => {}
            Self::Pause(pause) => tokio::time::sleep(*pause).await,
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
        }
    }
}
