//! Islands of the admin pages.

pub mod copy_text;
pub mod fetched_details;
pub mod keys;
pub mod live_run;
pub mod lock_view;
pub mod post;
pub mod present;
pub mod run_controls;
pub mod run_end;
pub mod run_progress;
pub mod save_as_png;
pub mod stepper;
pub mod what_happened;

pub use copy_text::CopyText;
pub use fetched_details::FetchedDetails;
pub use keys::Keys;
pub use live_run::LiveRun;
pub use lock_view::LockView;
pub use present::Present;
pub use run_end::{CertificateLink, DownloadHint};
pub use save_as_png::SaveAsPng;
pub use stepper::Stepper;
