//! The options of a source over HTTP.

use feed_options::PageOptions;
use ipnet::IpNet;
use reqwest::Url;
use secrecy::SecretString;
use url::Host;

/// Where and how a report is requested over HTTP.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The URL, with the scheme `http` or `https`. Its host, scheme and port are the only ones that receive credentials.
    pub url: Url,
    /// Additional headers of each request for the report.
    pub headers: Vec<HttpHeader>,
    /// How requests are authenticated.
    pub auth: Option<HttpAuth>,
    /// How the pages of a report are requested. `None`: the report is one response.
    pub pages: Option<PageOptions>,
    /// Whether a full report that is one response is requested only if it has changed.
    pub conditional: bool,
    /// Hosts, in addition to that of the URL, to which redirects and links to pages may lead.
    pub redirect_hosts: Vec<RedirectHost>,
    /// Addresses that a host may have although they are not public.
    pub allow_addresses: Vec<IpNet>,
    /// Certificates in PEM that are trusted in addition to those of the system.
    pub ca_certificates: Option<Vec<u8>>,
}

impl HttpOptions {
    /// A report that is requested without credentials, as one response.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            headers: Vec::new(),
            auth: None,
            pages: None,
            conditional: true,
            redirect_hosts: Vec::new(),
            allow_addresses: Vec::new(),
            ca_certificates: None,
        }
    }

    /// The URLs that the options state: that of the report, and that of the endpoint for tokens.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &Url> {
        let token_url = match &self.auth {
            Some(HttpAuth::ClientCredentials { token_url, .. }) => Some(token_url),
            Some(HttpAuth::Login { url, .. }) => Some(url),
            _ => None,
        };
        std::iter::once(&self.url).chain(token_url)
    }
}

/// An additional header.
#[derive(Debug, Clone)]
pub struct HttpHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: HeaderText,
}

/// The value of a header.
#[derive(Debug, Clone)]
pub enum HeaderText {
    /// A value that each host receives.
    Plain(String),
    /// A value that only the host of the URL receives.
    Secret(SecretString),
}

/// How requests are authenticated.
#[derive(Debug, Clone)]
pub enum HttpAuth {
    /// `Authorization: Basic` (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// `Authorization: Bearer` with a fixed token (RFC 6750).
    Bearer {
        /// The token.
        token: SecretString,
    },
    /// A header.
    Header {
        /// The name.
        name: String,
        /// The whole value.
        value: SecretString,
    },
    /// A parameter of the query.
    Query {
        /// The name.
        name: String,
        /// The value.
        value: SecretString,
    },
    /// A token that the client's credentials are exchanged for (RFC 6749, section 4.4).
    ClientCredentials {
        /// The token endpoint.
        token_url: Url,
        /// The id of the client.
        client_id: String,
        /// The secret of the client.
        client_secret: SecretString,
        /// The scope to request.
        scope: Option<String>,
    },
    /// A token that user and password are exchanged for, as members of a JSON object.
    Login {
        /// Where the object is posted to.
        url: Url,
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
        /// The member of the user.
        user_field: String,
        /// The member of the password.
        password_field: String,
        /// JSON pointer to the token in the response.
        token: String,
    },
}

/// A host to which redirects and links to pages may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectHost {
    /// The host.
    pub host: Host,
    /// The port. `None`: the default port of the scheme.
    pub port: Option<u16>,
}
