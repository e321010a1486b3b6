//! What every answer tells a browser about itself: how little may be done with it.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// For answers that are no pages: nothing may be loaded, run, submitted or framed.
const NO_PAGE: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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

/// The policy for a page: what stands in it between `<style>` or `<script>` and the end of that may take effect, by its hash;
/// scripts may call this service; everything else is as for answers that are no pages.
pub(crate) fn page_policy(page: &str) -> String {
    let mut parts = vec![NO_PAGE.to_owned()];
    let styles = sources(page, "style");
    if !styles.is_empty() {
        parts.push(format!("style-src {}", styles.join(" ")));
    }
    let scripts = sources(page, "script");
    if !scripts.is_empty() {
        parts.push(format!("script-src {}", scripts.join(" ")));
        parts.push("connect-src 'self'".to_owned());
    }
    parts.join("; ")
}

/// The hashes of all elements of this name that have no attributes.
fn sources(page: &str, element: &str) -> Vec<String> {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let contents = page.split(&*start).skip(1);
    let contents = contents.filter_map(|rest| rest.split_once(&*end));
    contents
        .map(|(content, _)| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_use_what_stands_in_it_and_nothing_else() {
        assert_eq!(page_policy("<p>"), NO_PAGE);
        // As `printf 'a{}' | openssl dgst -sha256 -binary | base64` prints it.
        let hash = "'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='";
        let page = "<head><style>a{}</style></head><script>a{}</script>";
        assert_eq!(
            page_policy(page),
            format!("{NO_PAGE}; style-src {hash}; script-src {hash}; connect-src 'self'")
        );
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
