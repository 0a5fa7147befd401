//! The spans of traces, with everything that they contain.
//!
//! A trace begins with a request. What runs outside of one, such as simulated buyers and
//! maintenance, has no spans. While nothing is traced, a span costs one check of a flag: its target
//! is disabled.
//!
//! An attribute is the pattern of a route, a name from the source code, a number, or the id of a
//! request: never what a person has entered, an address, a secret, or a text from the database.

use std::time::Duration;

use axum::http::HeaderMap;
use opentelemetry::{
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TraceId},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::{
    Metadata, Span, Subscriber, field::Empty, info_span, level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{
    layer::{Context, Filter},
    registry::LookupSpan,
};

/// The target of all spans of this module.
pub const TARGET: &str = "doorbuster::traces";
/// The target of spans that begin a trace.
const ROOT: &str = "doorbuster::traces::request";

/// What an end is called if nothing failed.
pub const SUCCESS: &str = "success";

/// The span of a request, with the pattern of its route.
pub fn request(method: &str, route: &str, request_id: &str) -> Span {
    let method = known_method(method);
    info_span!(
        target: ROOT,
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request_id,
    )
}

/// Any text can be sent as a method.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = KNOWN.into_iter().find(|known| *known == method);
    known.unwrap_or("_OTHER")
}

/// Makes a request that a trusted proxy sent a part of the proxy's trace.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // It fails only if the span has begun.
        let _ = span.set_parent(parent);
    }
}

/// Notes the status of a response.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", i64::from(status));
    if status >= 500 {
        span.record("otel.status_code", "error");
    }
}

/// The span of a page that is loaded and rendered.
pub fn page() -> Span {
    info_span!(target: TARGET, "page")
}

/// The span of a server function, by its path.
pub fn server_function(path: &str) -> Span {
    info_span!(
        target: TARGET,
        "server function",
        otel.name = %format_args!("server function {path}"),
    )
}

/// The span of an express purchase.
pub fn purchase(strategy: &str) -> Span {
    info_span!(
        target: TARGET,
        "purchase",
        strategy,
        outcome = Empty,
        otel.status_code = Empty,
    )
}

/// The span of a transaction with all of its attempts.
pub fn transaction(name: &'static str) -> Span {
    info_span!(
        target: TARGET,
        "transaction",
        otel.name = %format_args!("transaction {name}"),
        attempts = Empty,
        pool_wait_us = Empty,
        lock_wait_us = Empty,
        outcome = Empty,
        otel.status_code = Empty,
    )
}

/// The span of an attempt of a transaction.
pub fn attempt(number: u32) -> Span {
    info_span!(
        target: TARGET,
        "attempt",
        number = i64::from(number),
        outcome = Empty,
        otel.status_code = Empty,
    )
}

/// The span of a request to the payment provider. Each `operation` is one in the source code.
pub fn provider_call(operation: &'static str) -> Span {
    info_span!(
        target: TARGET,
        "payment",
        otel.name = %format_args!("payment {operation}"),
        otel.kind = "client",
        outcome = Empty,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    )
}

/// Returns the trace of a span, if it is being recorded.
pub fn trace_of(span: &Span) -> Option<TraceId> {
    if span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let ids = span.span_context();
    ids.is_sampled().then(|| ids.trace_id())
}

/// Returns the headers with which another program continues the trace of a span. Nothing but the
/// ids is sent, not even the state of a proxy's trace.
pub fn headers_of(span: &Span) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !span.is_disabled() {
        let injector = &mut HeaderInjector(&mut headers);
        TraceContextPropagator::new().inject_context(&span.context(), injector);
        headers.remove("tracestate");
    }
    headers
}

/// Notes the end of what a span is about. An outcome is one of the labels of the metrics.
pub fn ended(span: &Span, outcome: &str, is_failure: bool) {
    span.record("outcome", outcome);
    if is_failure {
        span.record("otel.status_code", "error");
    }
}

/// Notes how many attempts a transaction made, and how long it waited.
pub fn waited(span: &Span, attempts: u32, pool_wait: Duration, lock_wait: Duration) {
    span.record("attempts", i64::from(attempts));
    span.record("pool_wait_us", microseconds(pool_wait));
    span.record("lock_wait_us", microseconds(lock_wait));
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Lets the spans of requests pass, and the other spans of this module inside of them. Events are
/// left to the log: their texts may come from the database.
#[derive(Clone, Copy, Debug)]
pub struct OnlyTraced;

impl<S> Filter<S> for OnlyTraced
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        match metadata.target() {
            ROOT => true,
            TARGET => context.lookup_current().is_some(),
            _ => false,
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.target() {
            ROOT => Interest::always(),
            TARGET => Interest::sometimes(),
            _ => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_one_of_a_fixed_list() {
        for (method, expected) in [("GET", "GET"), ("get", "_OTHER"), ("ann@x.test", "_OTHER")] {
            assert_eq!(known_method(method), expected);
        }
    }

    #[test]
    fn nothing_is_sent_to_others_while_nothing_is_traced() {
        let span = provider_call("charge");
        assert!(span.is_disabled());
        assert!(headers_of(&span).is_empty());
        assert_eq!(trace_of(&span), None);
    }
}
