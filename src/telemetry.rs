//! Logging to standard error: text on a terminal, JSON lines otherwise. Traces of requests, if they
//! are asked for.

mod log_writer;
mod span_queue;
pub mod spans;
mod traces;

pub use log_writer::lost_lines;
pub use traces::{Traces, TracesError};

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

/// The default filter if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info,sqlx=warn,sea_orm_migration=warn";

/// Initializes logging, and traces if there are any. Standard output remains free for a command's
/// result; `quiet` logs warnings and errors only.
pub fn init(quiet: bool, traces: Option<&Traces>) {
    let fallback = if quiet { "warn" } else { DEFAULT_FILTER };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(fallback));
    let registry = tracing_subscriber::registry();
    match traces {
        None => registry
            .with(lines::<Registry>())
            .with(with_spans_of_traces(filter, "off"))
            .init(),
        // In a task of its own, a line finds its request only through these spans.
        Some(traces) => registry
            .with(traces.layer())
            .with(lines().with_filter(with_spans_of_traces(filter, "info")))
            .init(),
    }
}

/// The log of this process.
fn lines<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + 'static,
{
    if std::io::stderr().is_terminal() {
        tracing_subscriber::fmt::layer::<S>()
            .with_writer(log_writer::standard_error)
            // See `json_layer`.
            .log_internal_errors(false)
            .compact()
            .with_target(false)
            .boxed()
    } else {
        json_layer::<S, _>(log_writer::standard_error).boxed()
    }
}

/// Builds the log of JSON lines. A line that was written for a request names it, as
/// `spans[0].request_id`: the request is the outermost span.
pub fn json_lines<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync + 'static
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::registry()
        .with(json_layer(writer))
        .with(with_spans_of_traces(filter, "off"))
}

fn json_layer<S, W>(writer: W) -> impl Layer<S> + Send + Sync + 'static
where
    S: Subscriber + for<'a> LookupSpan<'a> + 'static,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer::<S>()
        .with_writer(writer)
        // A payment provider outlives the shop from which it inherited its standard error. By
        // default, a log line that cannot be written is reported there, which panics.
        .log_internal_errors(false)
        .json()
        .with_current_span(false)
}

/// Sets from which level on the log contains the spans of traces, whatever else it contains.
fn with_spans_of_traces(filter: EnvFilter, level: &str) -> EnvFilter {
    match format!("{}={level}", spans::TARGET).parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
