//! The tracer that sends spans to an OpenTelemetry collector (OTLP over HTTP with protobuf, `/v1/traces`).
//!
//! The spans are made here from ended [`Span`]s, without the API of `opentelemetry`: a stage of the order flow ends for many
//! orders at once, and knows the times of its steps only then. Batching, encoding and sending are those of `opentelemetry_sdk`.

mod exporter;
mod http_client;

use std::borrow::Cow;
use std::num::{NonZeroU64, NonZeroU128};
use std::time::{Duration, SystemTime};

use domain::ports::Tracer;
use domain::trace::{AttributeValue, Span, SpanContext, SpanKind, Traceparent};
use opentelemetry::trace::{
    Link, SpanContext as OtelContext, SpanId, SpanKind as OtelKind, Status, TraceFlags, TraceId,
    TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue, StringValue, Value};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _,
};
use thiserror::Error;
use tokio::runtime::Handle;
use url::Url;

use exporter::LoggingExporter;
use http_client::RuntimeClient;

/// Longest time between the end of a span and its export.
const EXPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of spans that wait for their export, about 1 KB each. Further spans are discarded.
const MAX_WAITING_SPANS: usize = 8_192;

/// Maximum number of spans in a request to the collector.
const MAX_SPANS_PER_REQUEST: usize = 512;

/// Longest duration of a request to the collector.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Where spans are sent, and which program they are of.
#[derive(Debug, Clone)]
pub struct TracerOptions {
    /// Base URL of the collector's receiver for OTLP over HTTP, such as `http://127.0.0.1:4318`.
    pub endpoint: Url,
    /// Share of requests whose trace is recorded, 0 to 1, if their caller does not decide it.
    pub sample_ratio: f64,
    /// Name of the program: `service.name`.
    pub program: &'static str,
    /// Version of the program: `service.version`.
    pub version: &'static str,
    /// The database: `db.system.name`, such as `postgresql`.
    pub database: &'static str,
    /// The broker: `messaging.system`; `None` for a queue within the process.
    pub broker: Option<&'static str>,
}

/// Why the tracer cannot be created.
#[derive(Debug, Error)]
pub enum TracerError {
    /// The HTTP client cannot be created.
    #[error("the HTTP client for traces cannot be created: {0}")]
    Client(#[from] reqwest::Error),
    /// The endpoint or a variable of OpenTelemetry (`OTEL_EXPORTER_OTLP_…`) is invalid.
    #[error("the export of traces cannot be configured: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Records spans and sends them to the collector from a thread of its own.
#[derive(Debug)]
pub struct OtlpTracer {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    sample_ratio: f64,
    database: &'static str,
    broker: Option<&'static str>,
}

impl OtlpTracer {
    /// Starts the tracer. Additional headers of its requests are read from `OTEL_EXPORTER_OTLP_HEADERS`, and attributes of the
    /// process from `OTEL_RESOURCE_ATTRIBUTES`. Requires a tokio runtime, on which the requests are sent.
    ///
    /// # Errors
    /// [`TracerError`].
    pub fn start(options: &TracerOptions) -> Result<Self, TracerError> {
        // Fails if a provider is installed already, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = RuntimeClient {
            client: reqwest::Client::builder().timeout(SEND_TIMEOUT).build()?,
            runtime: Handle::current(),
        };
        let base = options.endpoint.as_str().trim_end_matches('/');
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(format!("{base}/v1/traces"))
            .with_timeout(SEND_TIMEOUT)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MAX_WAITING_SPANS)
            .with_max_export_batch_size(MAX_SPANS_PER_REQUEST)
            .with_scheduled_delay(EXPORT_INTERVAL)
            .build();
        let mut processor = BatchSpanProcessor::new(LoggingExporter::new(exporter), batches);
        let resource = Resource::builder()
            .with_service_name(options.program)
            .with_attribute(KeyValue::new("service.version", options.version))
            .build();
        processor.set_resource(&resource);
        Ok(Self {
            processor,
            scope: InstrumentationScope::builder("order-aggregator").build(),
            sample_ratio: options.sample_ratio,
            database: options.database,
            broker: options.broker,
        })
    }

    /// Sends the spans that wait, and ends the export. Blocks for at most 5 s; must not be called on the last thread of the
    /// runtime.
    pub fn shutdown(&self) {
        if let Err(error) = self.processor.shutdown() {
            tracing::warn!(%error, "the last spans were not sent to the OpenTelemetry collector");
        }
    }

    fn attributes(&self, span: &Span) -> Vec<KeyValue> {
        let given = span.attributes.iter();
        let mut attributes: Vec<_> = given
            .map(|(name, value)| KeyValue::new(*name, otel_value(value)))
            .collect();
        let operation = match span.kind {
            SpanKind::Producer => "send",
            SpanKind::Consumer => "process",
            SpanKind::Store => {
                attributes.push(KeyValue::new("db.system.name", self.database));
                return attributes;
            }
            SpanKind::Server | SpanKind::Internal => return attributes,
        };
        if let Some(broker) = self.broker {
            attributes.push(KeyValue::new("messaging.system", broker));
            attributes.push(KeyValue::new("messaging.operation.type", operation));
            attributes.push(KeyValue::new("messaging.destination.name", "orders"));
        }
        attributes
    }
}

fn random_span_id() -> NonZeroU64 {
    NonZeroU64::new(fastrand::u64(1..)).unwrap_or(NonZeroU64::MIN)
}

fn random_trace() -> SpanContext {
    SpanContext {
        trace_id: NonZeroU128::new(fastrand::u128(1..)).unwrap_or(NonZeroU128::MIN),
        span_id: random_span_id(),
    }
}

impl Tracer for OtlpTracer {
    fn begin_request(&self, caller: Option<Traceparent>) -> Option<SpanContext> {
        match caller {
            Some(caller) => caller.is_sampled.then(|| self.child_of(caller.parent)),
            None => (fastrand::f64() < self.sample_ratio).then(random_trace),
        }
    }

    fn child_of(&self, parent: SpanContext) -> SpanContext {
        SpanContext {
            span_id: random_span_id(),
            ..parent
        }
    }

    fn new_trace(&self) -> Option<SpanContext> {
        Some(random_trace())
    }

    fn record(&self, span: Span) {
        let attributes = self.attributes(&span);
        let mut links = SpanLinks::default();
        let linked = span.links.into_iter();
        links.links = linked
            .map(|context| Link::with_context(otel_context(context)))
            .collect();
        let status = if span.is_error {
            Status::Error {
                description: Cow::Borrowed(""),
            }
        } else {
            Status::Unset
        };
        let parent = span.parent.map_or(SpanId::INVALID, |id| id.get().into());
        self.processor.on_end(SpanData {
            span_context: otel_context(span.context),
            parent_span_id: parent,
            // The collector finds the parent by its id, wherever it was recorded.
            parent_span_is_remote: false,
            span_kind: otel_kind(span.kind),
            name: span.name,
            start_time: system_time(span.started.as_micros()),
            end_time: system_time(span.ended.as_micros()),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status,
            instrumentation_scope: self.scope.clone(),
        });
    }
}

fn otel_context(context: SpanContext) -> OtelContext {
    OtelContext::new(
        TraceId::from(context.trace_id.get()),
        SpanId::from(context.span_id.get()),
        TraceFlags::SAMPLED,
        false,
        TraceState::NONE,
    )
}

fn otel_kind(kind: SpanKind) -> OtelKind {
    match kind {
        SpanKind::Server => OtelKind::Server,
        SpanKind::Internal => OtelKind::Internal,
        SpanKind::Producer => OtelKind::Producer,
        SpanKind::Consumer => OtelKind::Consumer,
        SpanKind::Store => OtelKind::Client,
    }
}

fn otel_value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => Value::String(StringValue::from(text.clone())),
        AttributeValue::Integer(number) => Value::I64(*number),
    }
}

/// Instants before 1970 become 1970: OTLP cannot express them.
fn system_time(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

#[cfg(test)]
mod tests;
