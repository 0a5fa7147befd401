//! Islands of the admin pages.

pub mod copy_text;
pub mod live_run;
pub mod present;
pub mod save_as_png;

pub use copy_text::CopyText;
pub use live_run::LiveRun;
pub use present::Present;
pub use save_as_png::SaveAsPng;
