//! Islands of the admin pages.

pub mod live_run;
pub mod stepper;

pub use live_run::LiveRun;
pub use stepper::Stepper;
