//! Islands of the admin pages.

pub mod live_run;

pub use live_run::LiveRun;
