//! Sends the requests of the bucket library with the HTTP client of this crate: one TLS implementation, no proxies, no
//! redirects, and responses of a bounded size.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::{Body, Client, Request, Url, redirect};

use crate::source::address::AddressRules;
use crate::source::resolver::GuardedResolver;

/// Size up to which a list of objects or an error is read, in bytes, whatever the limit of a document is.
const MIN_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Creates HTTP clients.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) connect_timeout: Duration,
    /// The addresses that the service may have.
    pub(super) addresses: Arc<AddressRules>,
    /// Maximum size of a document, in bytes.
    pub(super) max_bytes: u64,
    /// Whether the service has no TLS.
    pub(super) is_plain: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        // Fails if a provider is already installed, which is then used.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .connect_timeout(self.connect_timeout)
            .dns_resolver(Arc::new(GuardedResolver(Arc::clone(&self.addresses))))
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .no_proxy();
        let client = if self.is_plain {
            // Plain HTTP needs no root certificates, so a machine without any must not cause an error.
            builder.tls_certs_only([]).build()
        } else {
            builder.https_only(true).build()
        };
        let client = client.map_err(|error| object_store::Error::Generic {
            store: "S3",
            source: Box::new(error),
        })?;
        let max_bytes = usize::try_from(self.max_bytes).unwrap_or(usize::MAX);
        Ok(HttpClient::new(Service {
            client,
            max_bytes: max_bytes.saturating_add(1).max(MIN_LIMIT_BYTES),
        }))
    }
}

#[derive(Debug)]
struct Service {
    client: Client,
    max_bytes: usize,
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        if let Some(bytes) = body.as_bytes().filter(|bytes| !bytes.is_empty()) {
            *request.body_mut() = Some(bytes.clone().into());
        }
        let response = self.client.execute(request).await.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            HttpError::new(kind, error.without_url())
        })?;
        let (mut parts, _) = HttpResponse::new(String::new().into()).into_parts();
        parts.status = response.status();
        parts.headers = response.headers().clone();
        let body = Limited::new(Body::from(response), self.max_bytes);
        let body = body.map_err(|error| HttpError::new_boxed(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}
