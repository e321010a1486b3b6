//! How a client is put together.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Url, redirect};

use crate::Client;
use crate::error::ClientError;
use crate::exchange::Exchange;

const TIMEOUT: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("order-aggregator-client/", env!("CARGO_PKG_VERSION"));

/// Puts a client together.
#[derive(Debug)]
#[must_use]
pub struct ClientBuilder {
    base_url: String,
    api_key: Option<String>,
    timeout: Duration,
    http: Option<reqwest::Client>,
}

impl ClientBuilder {
    pub(crate) fn new(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            api_key: None,
            timeout: TIMEOUT,
            http: None,
        }
    }

    /// Presents this API key with each request.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// The longest wait for a whole answer, beside what an order was asked to wait for; of a streamed list for its
    /// beginning and then for each piece. 30 seconds unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends by this HTTP client, which brings its own certificates, proxies and pool. It should follow no redirects: the
    /// service sends none.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Builds it; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Unusable`].
    pub fn build(self) -> Result<Client, ClientError> {
        let base = base(&self.base_url)?;
        let http = match self.http {
            Some(http) => http,
            None => http(&base)?,
        };
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| ClientError::unusable("the API key holds what no header may"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let exchange = Exchange {
            http,
            base,
            headers,
            timeout: self.timeout,
        };
        Ok(Client::from_exchange(exchange))
    }
}

fn base(url: &str) -> Result<Url, ClientError> {
    let wrong = |reason| ClientError::unusable(format!("the base URL {url:?} {reason}"));
    let base = Url::parse(url).map_err(|error| wrong(format!("is none: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(wrong("must start with http:// or https://".to_owned()));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(wrong("must end with its path".to_owned()));
    }
    Ok(base)
}

fn http(base: &Url) -> Result<reqwest::Client, ClientError> {
    // Whoever came first has chosen; a second choice is refused, and needs not be made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true);
    if base.scheme() == "http" {
        // No certificate is ever looked at: a machine that has none must not be a reason to fail.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|error| ClientError::unusable(format!("the HTTP client cannot be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_base_url_is_refused() {
        for wrong in [
            "",
            "localhost:3000",
            "ftp://localhost",
            "http://",
            "http://localhost?a=b",
            "http://localhost#a",
        ] {
            let refused = Client::new(wrong);
            assert!(
                matches!(refused, Err(ClientError::Unusable(_))),
                "{wrong}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_key_is_shown_by_no_debug_output() {
        let client = Client::builder("http://localhost").api_key("oa_secret");
        let client = client.build().unwrap();
        assert!(!format!("{client:?}").contains("secret"));
        let broken = Client::builder("http://localhost").api_key("a\nb").build();
        let error = broken.unwrap_err().to_string();
        assert!(!error.contains('b') || error.contains("API key"), "{error}");
    }
}
