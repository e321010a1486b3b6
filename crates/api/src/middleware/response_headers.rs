//! The headers of every response: the request id and the security headers for browsers. The id is in a span too.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use telemetry::request_id::{self, RequestId};
use tracing::{Instrument as _, debug_span};

use crate::middleware::trace::RequestTrace;
use crate::state::AppState;

/// The request id: the client's if it is valid, else a new one.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The directives that every content security policy starts with.
macro_rules! base_policy {
    () => {
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    };
}

/// The policy of responses that are not pages: nothing may be loaded, run, submitted or framed.
const DEFAULT_POLICY: &str = base_policy!();

/// The policy of pages: styles, scripts and images are files of this service, or images inlined in a style sheet. Scripts
/// may call this service; inline scripts and styles have no effect. Everything else is as in `DEFAULT_POLICY`.
pub(crate) const PAGE_POLICY: &str = concat!(
    base_policy!(),
    "; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'"
);

/// Headers that are added unless the handler has set them.
const DEFAULT_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, DEFAULT_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    // For browsers that do not support frame-ancestors.
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// One year. Sent only if this server terminates TLS: a proxy that terminates TLS may serve other sites on the host.
const HSTS: &str = "max-age=31536000";

/// Adds the headers to a response, including errors that are rendered later.
pub(crate) async fn add<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let secure = request.app_config().secure();
    let shutdown = request.app_data::<Data<AppState>>();
    let shutdown = shutdown.map(|state| state.shutdown.clone());
    let sent = request.headers().get(&REQUEST_ID);
    let id = sent
        .and_then(|id| RequestId::parse(id.as_bytes()))
        .unwrap_or_else(RequestId::random);
    // Below `info`, so that it costs nothing unless an investigation needs it. Log lines have the id at every level.
    let span = debug_span!("request", request.id = %id.as_str(), http.method = %request.method(), http.path = %request.path());
    let trace = RequestTrace::begin(&request);
    let trace_id = trace.as_ref().map(RequestTrace::trace_id);
    let served = next.call(request).instrument(span);
    let result = request_id::within(id.clone(), trace_id.as_deref(), served).await;
    if let Some(trace) = trace {
        trace.end(id.as_str(), &result);
    }
    match result {
        Ok(mut response) => {
            set_request_id(response.headers_mut(), &id);
            add_security_headers(response.headers_mut(), secure);
            // The client sends its next request to a process that stays.
            if shutdown.is_some_and(|shutdown| shutdown.is_draining()) {
                let head = response.response_mut().head_mut();
                head.set_connection_type(ConnectionType::Close);
            }
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                set_request_id(response.headers_mut(), &id);
                add_security_headers(response.headers_mut(), secure);
                response
            });
            Err(error)
        }
    }
}

fn set_request_id(headers: &mut HeaderMap, id: &RequestId) {
    // Cannot fail: the id is visible ASCII.
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID.clone(), id);
    }
}

fn add_security_headers(headers: &mut HeaderMap, secure: bool) {
    let hsts = secure.then_some((header::STRICT_TRANSPORT_SECURITY, HSTS));
    for (name, value) in DEFAULT_HEADERS.into_iter().chain(hsts) {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_policy_allows_only_this_service() {
        let more = PAGE_POLICY.strip_prefix(DEFAULT_POLICY).unwrap();
        assert!(more.starts_with("; style-src 'self';"), "{more}");
        assert!(!more.contains("unsafe") && !more.contains("http"), "{more}");
    }

    #[test]
    fn headers_set_by_a_handler_are_kept() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        add_security_headers(&mut headers, false);
        assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "max-age=1");
        assert_eq!(headers.len(), DEFAULT_HEADERS.len());
        add_security_headers(&mut headers, true);
        assert!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
