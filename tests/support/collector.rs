//! A collector of traces: it receives what a program exports.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderName, header},
    routing::post,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value,
    resource::v1::Resource, trace::v1::Span,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::PATIENCE;

/// The bodies of the requests.
type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// See the module's documentation. It runs until it is dropped.
pub struct Collector {
    url: String,
    bodies: Bodies,
    _serving: AbortOnDropHandle<()>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let bodies = Bodies::default();
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .with_state(Arc::clone(&bodies));
        let serving = async move { axum::serve(listener, router).await.expect("it serves") };
        Self {
            url: format!("http://{address}"),
            bodies,
            _serving: AbortOnDropHandle::new(tokio::spawn(serving)),
        }
    }

    /// Its base URL, for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn exports(&self) -> Vec<ExportTraceServiceRequest> {
        let bodies = self.bodies.lock().expect("no panic under this lock");
        let bodies = bodies.iter().cloned();
        let decode = |body| ExportTraceServiceRequest::decode(body).expect("it is valid");
        bodies.map(decode).collect()
    }

    /// Returns all spans that it has received.
    pub fn spans(&self) -> Vec<Span> {
        let resources = self
            .exports()
            .into_iter()
            .flat_map(|export| export.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// Returns what sent the spans.
    pub fn resources(&self) -> Vec<Resource> {
        let resources = self
            .exports()
            .into_iter()
            .flat_map(|export| export.resource_spans);
        resources.filter_map(|spans| spans.resource).collect()
    }

    /// Returns everything that it has received, as text. What is no text in it is replaced.
    pub fn text(&self) -> String {
        let bodies = self.bodies.lock().expect("no panic under this lock");
        let bytes: Vec<u8> = bodies.iter().flat_map(|body| body.to_vec()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for a span with this name.
    pub async fn until(&self, name: &str) -> Span {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let spans = self.spans();
            if let Some(span) = spans.iter().find(|span| span.name == name) {
                return span.clone();
            }
            assert!(Instant::now() < deadline, "no span {name:?} in {spans:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn receive(State(bodies): State<Bodies>, body: Bytes) -> [(HeaderName, &'static str); 1] {
    bodies.lock().expect("no panic under this lock").push(body);
    [(header::CONTENT_TYPE, "application/x-protobuf")]
}

/// Returns the value of an attribute of a span, as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|found| found.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

/// Returns the spans directly below `parent`, in order of their begin.
pub fn children<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let mut children: Vec<_> = spans
        .iter()
        .filter(|span| span.trace_id == parent.trace_id && span.parent_span_id == parent.span_id)
        .collect();
    children.sort_by_key(|span| span.start_time_unix_nano);
    children
}

/// Returns the one span with this name directly below `parent`.
#[track_caller]
pub fn child<'a>(spans: &'a [Span], parent: &Span, name: &str) -> &'a Span {
    let children = children(spans, parent);
    let mut named = children.iter().copied().filter(|span| span.name == name);
    match (named.next(), named.next()) {
        (Some(span), None) => span,
        _ => panic!("not one {name:?} below {parent:#?} in {children:#?}"),
    }
}
