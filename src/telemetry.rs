//! Logs: to standard error, as text on a terminal and as JSON lines elsewhere.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm_migration=warn";

/// Starts logging. Standard output stays free for a command's result.
pub fn init(quiet: bool) {
    let fallback = if quiet { "warn" } else { DEFAULT_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A payment provider outlives the shop that it has its standard error from. By default a line that cannot be written is
        // complained about there, which panics.
        .log_internal_errors(false);
    if std::io::stderr().is_terminal() {
        builder.compact().with_target(false).init();
    } else {
        builder.json().init();
    }
}
