//! Logging to standard error: text on a terminal, JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The default filter if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm_migration=warn";

/// Initializes logging. Standard output remains free for a command's result; `quiet` logs warnings
/// and errors only.
pub fn init(quiet: bool) {
    let fallback = if quiet { "warn" } else { DEFAULT_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A payment provider outlives the shop from which it inherited its standard error. By
        // default, a log line that cannot be written is reported there, which panics.
        .log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        builder.compact().with_target(false).init();
    } else {
        builder.json().init();
    }
}
