//! The span of a request whose trace is recorded.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderName;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use domain::timestamp::Timestamp;
use domain::trace::{AttributeValue, Span, SpanContext, SpanKind, Traceparent};

use crate::endpoint::Path;
use crate::state::{AppState, RequestTracer};

/// The header with the trace of the caller (W3C Trace Context).
pub(crate) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request whose trace is recorded.
pub(crate) struct RequestTrace {
    tracer: RequestTracer,
    context: SpanContext,
    caller: Option<Traceparent>,
    started: Timestamp,
    method: String,
    path: String,
    scheme: &'static str,
}

impl RequestTrace {
    /// Begins the span of a request; `None` if its trace is not recorded.
    pub(crate) fn begin(request: &ServiceRequest) -> Option<Self> {
        let tracer = &request.app_data::<Data<AppState>>()?.tracer;
        let caller = request.headers().get(&TRACEPARENT);
        let caller = caller.and_then(|value| Traceparent::parse(value.to_str().ok()?));
        let context = tracer.tracer.begin_request(caller)?;
        request.extensions_mut().insert(context);
        let is_secure = request.app_config().secure();
        Some(Self {
            tracer: tracer.clone(),
            context,
            caller,
            started: tracer.clock.now(),
            method: request.method().to_string(),
            path: request.path().to_owned(),
            scheme: if is_secure { "https" } else { "http" },
        })
    }

    /// The trace id in hexadecimal digits.
    pub(crate) fn trace_id(&self) -> String {
        format!("{:032x}", self.context.trace_id)
    }

    /// Records the span.
    pub(crate) fn end<B>(self, request_id: &str, result: &Result<ServiceResponse<B>, Error>) {
        let (route, status) = match result {
            Ok(response) => {
                let path = response.request().app_data::<Path>();
                (path.map(|path| path.0), response.status())
            }
            Err(error) => (None, error.as_response_error().status_code()),
        };
        let mut attributes: Vec<(&'static str, AttributeValue)> = vec![
            ("http.request.method", self.method.clone().into()),
            ("url.path", self.path.into()),
            ("url.scheme", self.scheme.into()),
            (
                "http.response.status_code",
                i64::from(status.as_u16()).into(),
            ),
            ("request.id", request_id.to_owned().into()),
        ];
        attributes.extend(route.map(|route| ("http.route", route.into())));
        let name = match route {
            Some(route) => format!("{} {route}", self.method),
            None => self.method,
        };
        self.tracer.tracer.record(Span {
            context: self.context,
            parent: self.caller.map(|caller| caller.parent.span_id),
            links: Vec::new(),
            name: name.into(),
            kind: SpanKind::Server,
            started: self.started,
            ended: self.tracer.clock.now(),
            attributes,
            is_error: status.is_server_error(),
        });
    }
}

/// The span of a request, if its trace is recorded.
pub(crate) fn context(request: &HttpRequest) -> Option<SpanContext> {
    request.extensions().get().copied()
}
