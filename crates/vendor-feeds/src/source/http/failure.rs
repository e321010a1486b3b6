//! Why a request failed.

use std::error::Error;
use std::io;

use domain::ports::{Clock, FeedError};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use super::retry_after;
use crate::source::address::RefusedAddress;

/// Maximum length of an error message of the HTTP library that is passed on, in characters.
const MAX_REASON_CHARS: usize = 200;

/// Why a request failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: FeedError,
    /// Whether a retry may succeed.
    pub(super) is_transient: bool,
}

impl Failure {
    pub(super) fn permanent(error: FeedError) -> Self {
        Self {
            error,
            is_transient: false,
        }
    }

    /// A response, or a setting, that a retry does not change.
    pub(super) fn unavailable(problem: impl Into<String>) -> Self {
        Self::permanent(FeedError::Unavailable(problem.into()))
    }

    pub(super) fn malformed(problem: impl Into<String>) -> Self {
        Self::permanent(FeedError::Malformed(problem.into().into()))
    }

    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        if let Some(refused) = refused_address(&error) {
            return Self::unavailable(refused.to_string());
        }
        // Of the URL only host and port are shown: the rest may contain secrets.
        let server = error.url().and_then(shown_server);
        let error = error.without_url();
        let problem = match server {
            Some(server) if error.is_connect() => format!("cannot connect to {server}"),
            _ if error.is_decode() || error.is_body() => "the response is incomplete".to_owned(),
            _ => "the request failed".to_owned(),
        };
        let text = format!("{problem}: {}", first_cause(&error));
        Self {
            error: FeedError::Unavailable(log_text::excerpt(&text, MAX_REASON_CHARS)),
            is_transient: true,
        }
    }

    /// `subject` is the server, for messages; `hint` follows the status.
    pub(super) fn from_status(
        (status, headers): (StatusCode, &HeaderMap),
        clock: &dyn Clock,
        subject: &str,
        hint: &str,
    ) -> Self {
        let detail = match status {
            StatusCode::ACCEPTED => "; the report is not ready",
            StatusCode::NO_CONTENT => "; there is no report",
            StatusCode::PARTIAL_CONTENT => "; a part of the report, which was not requested",
            StatusCode::NOT_MODIFIED => ", but the request has no condition",
            status if status.is_redirection() => "; such a redirect is not followed",
            status if status.is_success() => "; only 200 has a report",
            _ => "",
        };
        let reason = format!("{subject} responded with {status}{detail}{hint}");
        if let Some(retry_after) = retry_after::parse(status, headers, clock) {
            // A retry in the same fetch would be too early; the delay is recorded for the next fetch.
            return Self::permanent(FeedError::RetryLater {
                reason,
                retry_after,
            });
        }
        Self {
            error: FeedError::Unavailable(reason),
            is_transient: status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// The host and the port of a URL.
fn shown_server(url: &Url) -> Option<String> {
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    Some(format!("{host}, port {port}"))
}

/// The cause that the others result from; those in between name layers of the library.
fn first_cause<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// The address that the resolver refused, if that is the cause of an error.
fn refused_address<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e RefusedAddress> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // The source of an I/O error is that of its inner error, which is therefore looked at.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let refused = inner.and_then(|inner| inner.downcast_ref());
        if let Some(refused) = refused.or_else(|| error.downcast_ref()) {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::address::AddressRules;
    use crate::source::resolver::GuardedResolver;

    #[tokio::test]
    async fn refused_address_is_reported_without_a_retry() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resolver = GuardedResolver(Arc::new(AddressRules::default()));
        let client = reqwest::Client::builder().dns_resolver(Arc::new(resolver));
        let client = client.no_proxy().tls_certs_only([]).build().unwrap();
        let error = client.get("http://localhost:1/").send().await.unwrap_err();
        let failure = Failure::from_transport(error);
        assert!(!failure.is_transient);
        let text = failure.error.to_string();
        assert!(
            text.starts_with("localhost has a loopback address, "),
            "{text}"
        );
        assert!(
            text.ends_with("(source.allow_addresses does not name it)"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn failed_connection_names_host_and_port_and_nothing_else_of_the_url() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        let url = format!("http://127.0.0.1:{port}/stock?key=secret");
        let request = client.build().unwrap().get(url);
        let failure = Failure::from_transport(request.send().await.unwrap_err());
        assert!(failure.is_transient);
        assert_eq!(
            failure.error.to_string(),
            format!("cannot connect to 127.0.0.1, port {port}: Connection refused (os error 111)")
        );
    }
}
