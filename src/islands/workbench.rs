//! Islands of the admin pages.

pub mod live_run;
pub mod lock_view;

pub use live_run::LiveRun;
pub use lock_view::LockView;
