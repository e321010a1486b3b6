//! Configuration of a client.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Url, redirect};

use crate::Client;
use crate::error::ClientError;
use crate::transport::Transport;

const TIMEOUT: Duration = Duration::from_secs(30);
const USER_AGENT: &str = concat!("order-aggregator-client/", env!("CARGO_PKG_VERSION"));

/// Builds a [`Client`].
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

    /// Sends this API key with each request.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the timeout for a complete response, to which the requested wait of an order is added. For a streamed list it is
    /// the timeout for the response head and for each chunk. The default is 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Uses this HTTP client with its own certificates, proxies and connection pool. It should not follow redirects: the
    /// service sends none.
    pub fn http_client(mut self, http: reqwest::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Returns the client; no request is sent.
    ///
    /// # Errors
    /// [`ClientError::InvalidRequest`] if the base URL or the API key is invalid, or the HTTP client cannot be created.
    pub fn build(self) -> Result<Client, ClientError> {
        let base = base(&self.base_url)?;
        let http = match self.http {
            Some(http) => http,
            None => http(&base)?,
        };
        let mut headers = HeaderMap::new();
        if let Some(key) = &self.api_key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| {
                ClientError::unusable("the API key contains characters that a header cannot have")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let transport = Transport {
            http,
            base,
            headers,
            timeout: self.timeout,
        };
        Ok(Client::from_transport(transport))
    }
}

fn base(url: &str) -> Result<Url, ClientError> {
    let invalid = |reason| ClientError::unusable(format!("the base URL {url:?} {reason}"));
    let base = Url::parse(url).map_err(|error| invalid(format!("cannot be parsed: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(invalid("must start with http:// or https://".to_owned()));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(invalid("must have no query and no fragment".to_owned()));
    }
    Ok(base)
}

fn http(base: &Url) -> Result<reqwest::Client, ClientError> {
    // The process-wide provider can be installed once only; an error means that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true);
    if base.scheme() == "http" {
        // Plain HTTP verifies no certificate: a machine without root certificates must not fail here.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        ClientError::unusable(format!("the HTTP client cannot be created: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_base_url_is_refused() {
        for invalid in [
            "",
            "localhost:3000",
            "ftp://localhost",
            "http://",
            "http://localhost?a=b",
            "http://localhost#a",
        ] {
            let refused = Client::new(invalid);
            assert!(
                matches!(refused, Err(ClientError::InvalidRequest(_))),
                "{invalid}: {refused:?}"
            );
        }
    }

    #[test]
    fn debug_output_omits_the_api_key() {
        let client = Client::builder("http://localhost").api_key("oa_secret");
        let client = client.build().unwrap();
        assert!(!format!("{client:?}").contains("secret"));
        let broken = Client::builder("http://localhost").api_key("a\nb").build();
        let error = broken.unwrap_err().to_string();
        assert!(!error.contains('b') || error.contains("API key"), "{error}");
    }
}
