//! What every answer tells a browser about itself: how little may be done with it.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;

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
    match next.call(request).await {
        Ok(mut response) => {
            add_to(response.headers_mut(), secure);
            Ok(response)
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                add_to(response.headers_mut(), secure);
                response
            });
            Err(error)
        }
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
