//! A collector that receives spans (OTLP over HTTP with protobuf).

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

/// Maximum size of a request, in bytes.
const MAX_BODY_BYTES: usize = 16 << 20;

/// A span as it was received. Ids are hexadecimal digits.
#[derive(Debug, Clone)]
pub struct CollectedSpan {
    /// `service.name` of the process.
    pub service: String,
    /// The trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
    /// The parent; empty for the first span of a trace.
    pub parent_id: String,
    /// Name of the operation.
    pub name: String,
    /// The kind, by its name in the protocol.
    pub kind: String,
    /// Start in nanoseconds since 1970.
    pub started_ns: u64,
    /// End in nanoseconds since 1970.
    pub ended_ns: u64,
    /// Attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// The spans that this one is linked to.
    pub linked_ids: Vec<String>,
    /// Whether the status is an error.
    pub is_error: bool,
}

/// A running collector. It ends with the process.
#[derive(Clone, Default)]
pub struct Collector {
    spans: Arc<Mutex<Vec<CollectedSpan>>>,
    port: u16,
}

impl Collector {
    /// Starts a collector. Requires a tokio runtime.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let collector = Self {
            port: listener.local_addr().unwrap().port(),
            ..Self::default()
        };
        let data = Data::new(collector.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
                .route("/v1/traces", web::post().to(receive))
        });
        let server = server.workers(1).disable_signals().listen(listener);
        tokio::spawn(server.unwrap().run());
        collector
    }

    /// Returns the value of the setting `telemetry.traces.endpoint`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns all spans that were received.
    #[must_use]
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.lock().unwrap().clone()
    }
}

async fn receive(collector: Data<Collector>, body: Bytes) -> HttpResponse {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return HttpResponse::BadRequest().finish();
    };
    let mut spans = collector.spans.lock().unwrap();
    for resource in request.resource_spans {
        let attributes = resource.resource.unwrap_or_default().attributes;
        let service = texts(attributes).remove("service.name");
        let service = service.unwrap_or_default();
        let scopes = resource.scope_spans.into_iter();
        let received = scopes.flat_map(|scope| scope.spans);
        spans.extend(received.map(|span| collected(&service, span)));
    }
    HttpResponse::Ok()
        .content_type("application/x-protobuf")
        .finish()
}

fn collected(service: &str, span: Span) -> CollectedSpan {
    CollectedSpan {
        service: service.to_owned(),
        trace_id: hex::encode(&span.trace_id),
        span_id: hex::encode(&span.span_id),
        parent_id: hex::encode(&span.parent_span_id),
        kind: span.kind().as_str_name().to_owned(),
        started_ns: span.start_time_unix_nano,
        ended_ns: span.end_time_unix_nano,
        linked_ids: span
            .links
            .iter()
            .map(|link| hex::encode(&link.span_id))
            .collect(),
        is_error: span.status.as_ref().is_some_and(|status| status.code == 2),
        name: span.name,
        attributes: texts(span.attributes),
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let texts = attributes.into_iter().map(|attribute| {
        let value = attribute.value.and_then(|AnyValue { value }| value);
        let text = match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        (attribute.key, text)
    });
    texts.collect()
}
