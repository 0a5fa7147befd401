//! Traces of requests in the format of OpenTelemetry, sent to a collector; see
//! docs/decisions/0056-traces-of-requests.md.

use std::{sync::Arc, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    resource::{EnvResourceDetector, TelemetryResourceDetector},
    trace::{Sampler, SdkTracer, SdkTracerProvider, SpanExporter as _},
};
use reqwest::redirect::Policy;
use tracing_subscriber::{Layer, Registry};
use url::Url;

use super::{
    span_queue::{Export, SpanQueue},
    spans::OnlyTraced,
};
use crate::{
    config::{Sampling, TraceSettings},
    http_client,
    metrics::TraceMetrics,
};

/// From sending a batch to the collector's answer.
const EXPORT_MAX: Duration = Duration::from_secs(5);
/// Time for the last spans during a shutdown. A collector that is unavailable does not delay it
/// further.
const FINISH_MAX: Duration = Duration::from_secs(1);

/// Why the traces could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("{0}")]
    Setting(&'static str),
    #[error("cannot create the client of the collector: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot send traces: {0}")]
    Exporter(#[from] ExporterBuildError),
}

/// The traces of this process.
#[derive(Debug)]
pub struct Traces {
    tracer: SdkTracer,
    export: Export,
    metrics: Arc<TraceMetrics>,
}

impl Traces {
    /// Starts the export of traces on the current runtime; `None` if the settings name no
    /// collector.
    ///
    /// # Errors
    /// [`TracesError::Setting`], with a sentence, if a setting is not valid.
    pub fn start(settings: &TraceSettings) -> Result<Option<Self>, TracesError> {
        let Some(url) = settings.url().map_err(TracesError::Setting)? else {
            return Ok(None);
        };
        let sampling = settings.sampling().map_err(TracesError::Setting)?;
        let resource = resource();
        let metrics = Arc::<TraceMetrics>::default();
        let exporter = exporter(&url, &resource)?;
        let (queue, export) = Export::start(exporter, Arc::clone(&metrics));
        Ok(Some(Self {
            tracer: tracer(queue, sampling, resource),
            export,
            metrics,
        }))
    }

    /// Returns the layer that turns the spans of [`super::spans`] into those of traces.
    pub fn layer(&self) -> impl Layer<Registry> + Send + Sync + use<> {
        tracing_opentelemetry::layer::<Registry>()
            .with_tracer(self.tracer.clone())
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(OnlyTraced)
    }

    /// Returns the numbers of exported and of lost spans.
    pub fn metrics(&self) -> Arc<TraceMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Exports the last spans, in at most a second and at most `limit`.
    pub async fn finish_within(self, limit: Duration) {
        self.export.finish_within(limit.min(FINISH_MAX)).await;
    }
}

fn exporter(url: &Url, resource: &Resource) -> Result<SpanExporter, TracesError> {
    let client = http_client::builder()
        .timeout(EXPORT_MAX)
        // Headers may contain a token: they are sent to the collector only.
        .redirect(Policy::none())
        .no_proxy()
        .build()?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url.as_str())
        .with_timeout(EXPORT_MAX)
        .build()?;
    exporter.set_resource(resource);
    Ok(exporter)
}

fn tracer(queue: SpanQueue, sampling: Sampling, resource: Resource) -> SdkTracer {
    let root = Sampler::TraceIdRatioBased(sampling.ratio);
    let sampler = if sampling.follows_parent {
        Sampler::ParentBased(Box::new(root))
    } else {
        root
    };
    SdkTracerProvider::builder()
        .with_span_processor(queue)
        .with_sampler(sampler)
        .with_resource(resource)
        .build()
        .tracer("doorbuster")
}

/// Describes this process. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` have precedence.
fn resource() -> Resource {
    let described = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "doorbuster"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()));
    let named = match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => described.with_service_name(name),
        _ => described,
    };
    named.build()
}
