//! Islands of the admin pages.

pub mod keys;
pub mod live_run;
pub mod lock_view;
pub mod post;
pub mod run_controls;
pub mod run_progress;
pub mod what_happened;

pub use keys::Keys;
pub use live_run::LiveRun;
pub use lock_view::LockView;
