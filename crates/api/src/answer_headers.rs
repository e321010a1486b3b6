//! The headers of every response: the id of the request, and for browsers how little may be done with the response.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use telemetry::request_id::{self, RequestId};

/// The client's id of a request, or a new one where it gives none that can be one.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What other policies begin with.
macro_rules! no_page {
    () => {
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    };
}

/// For answers that are no pages: nothing may be loaded, run, submitted or framed.
const NO_PAGE: &str = no_page!();

/// For a page whose style, scripts and pictures are files of this service, or pictures written out in the style. Scripts may call
/// this service; nothing that stands in the page itself takes effect. Everything else is as for answers that are no pages.
pub(crate) const PAGE_POLICY: &str = concat!(
    no_page!(),
    "; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'"
);

/// Unless a handler has set them itself.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, NO_PAGE),
    (header::REFERRER_POLICY, "no-referrer"),
    // For browsers that do not know frame-ancestors.
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// A year. Only where this server speaks TLS itself: a proxy that ends it knows better what else it serves.
const TLS_ONLY: &str = "max-age=31536000";

/// Adds the headers to an answer, also to an error that becomes one only later.
pub(crate) async fn add<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let secure = request.app_config().secure();
    let chosen = request.headers().get(&REQUEST_ID);
    let id = chosen
        .and_then(|id| RequestId::parse(id.as_bytes()))
        .unwrap_or_else(RequestId::random);
    match request_id::within(id.clone(), next.call(request)).await {
        Ok(mut response) => {
            name_request(response.headers_mut(), &id);
            add_to(response.headers_mut(), secure);
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                name_request(response.headers_mut(), &id);
                add_to(response.headers_mut(), secure);
                response
            });
            Err(error)
        }
    }
}

fn name_request(headers: &mut HeaderMap, id: &RequestId) {
    // It can be a header's value: it is visible ASCII.
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID.clone(), id);
    }
}

fn add_to(headers: &mut HeaderMap, secure: bool) {
    let tls_only = secure.then_some((header::STRICT_TRANSPORT_SECURITY, TLS_ONLY));
    for (name, value) in ALWAYS.into_iter().chain(tls_only) {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_do_no_more_than_load_what_is_here_and_call_it() {
        let more = PAGE_POLICY.strip_prefix(NO_PAGE).unwrap();
        assert!(more.starts_with("; style-src 'self';"), "{more}");
        assert!(!more.contains("unsafe") && !more.contains("http"), "{more}");
    }

    #[test]
    fn a_handler_may_say_otherwise() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
        add_to(&mut headers, false);
        assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "max-age=1");
        assert_eq!(headers.len(), ALWAYS.len());
        add_to(&mut headers, true);
        assert!(headers.contains_key(header::STRICT_TRANSPORT_SECURITY));
    }
}
