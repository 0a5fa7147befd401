//! Logging to standard error: text on a terminal, JSON lines otherwise.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt};

/// The default filter if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm_migration=warn";

/// Initializes logging. Standard output remains free for a command's result; `quiet` logs warnings
/// and errors only.
pub fn init(quiet: bool) {
    let fallback = if quiet { "warn" } else { DEFAULT_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    if std::io::stderr().is_terminal() {
        let builder = tracing_subscriber::fmt().with_env_filter(filter);
        builder
            .with_writer(std::io::stderr)
            // See `json_lines`.
            .log_internal_errors(false)
            .compact()
            .with_target(false)
            .init();
    } else {
        json_lines(filter, std::io::stderr).init();
    }
}

/// Builds the log of JSON lines. A line that was written for a request names it, as
/// `spans[0].request_id`: the request is the outermost span.
pub fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        // A payment provider outlives the shop from which it inherited its standard error. By
        // default, a log line that cannot be written is reported there, which panics.
        .log_internal_errors(false)
        .json()
        .with_current_span(false)
        .finish()
}
