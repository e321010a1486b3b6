//! Credentials of requests. Only requests to the host of the settings' URL have them.

mod token;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::Clock;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};

use self::token::TokenSource;
use super::failure::Failure;
use super::targets::set_param;
use crate::options::HttpAuth;
use crate::secrets::Secrets;

/// The credentials of a request, and how they are sent.
pub(super) enum Credentials {
    Header(HeaderName, HeaderValue),
    Query { name: String, value: SecretString },
    Token(Box<TokenSource>),
}

impl Credentials {
    /// The error is a one-line description of the invalid option, without its value.
    pub(super) fn new(auth: &HttpAuth, secrets: &Arc<Secrets>) -> Result<Self, String> {
        Ok(match auth {
            HttpAuth::Basic { user, password } => {
                if user.contains(':') {
                    return Err("source.auth.user contains a colon, which ends a user".to_owned());
                }
                Self::Header(AUTHORIZATION, basic(user, password))
            }
            HttpAuth::Bearer { token } => Self::Header(AUTHORIZATION, bearer(token)?),
            HttpAuth::Header { name, value } => {
                let header = header_name("source.auth.name", name)?;
                Self::Header(header, secret_value("source.auth.value", value)?)
            }
            HttpAuth::Query { name, value } => Self::Query {
                name: name.clone(),
                value: value.clone(),
            },
            HttpAuth::ClientCredentials { .. } | HttpAuth::Login { .. } => {
                let source = TokenSource::new(auth.clone(), Arc::clone(secrets));
                Self::Token(Box::new(source))
            }
        })
    }

    /// The parameter of the query that is a credential.
    pub(super) fn secret_param(&self) -> Option<String> {
        match self {
            Self::Query { name, .. } => Some(name.clone()),
            Self::Header(..) | Self::Token(_) => None,
        }
    }

    /// Adds the credentials to a request. A token is requested if there is none.
    pub(super) async fn add_to(
        &self,
        url: &mut Url,
        headers: &mut HeaderMap,
        client: &Client,
        clock: &dyn Clock,
    ) -> Result<(), Failure> {
        match self {
            Self::Header(name, value) => {
                headers.insert(name, value.clone());
            }
            Self::Query { name, value } => set_param(url, name, value.expose_secret()),
            Self::Token(source) => {
                headers.insert(AUTHORIZATION, source.get(client, clock).await?);
            }
        }
        Ok(())
    }

    /// Discards the token that a request with these headers had. Returns whether there is another one to try.
    pub(super) async fn discard(&self, headers: &HeaderMap) -> bool {
        match (self, headers.get(AUTHORIZATION)) {
            (Self::Token(source), Some(used)) => {
                source.discard(used).await;
                true
            }
            _ => false,
        }
    }
}

/// All secrets of the options.
pub(super) fn secrets_of(auth: Option<&HttpAuth>, headers: &[SecretString]) -> Secrets {
    let mut secrets = Secrets::default();
    for secret in headers {
        secrets.add(secret.expose_secret());
    }
    match auth {
        Some(HttpAuth::Basic { user, password }) => {
            secrets.add(password.expose_secret());
            let sent = basic(user, password);
            let sent = sent.to_str().unwrap_or_default();
            secrets.add(sent.trim_start_matches("Basic "));
        }
        Some(HttpAuth::ClientCredentials {
            client_id,
            client_secret,
            ..
        }) => {
            secrets.add(client_secret.expose_secret());
            let sent = token::client_header(client_id, client_secret);
            let sent = sent.to_str().unwrap_or_default();
            secrets.add(sent.trim_start_matches("Basic "));
        }
        Some(
            HttpAuth::Bearer { token: secret }
            | HttpAuth::Header { value: secret, .. }
            | HttpAuth::Query { value: secret, .. }
            | HttpAuth::Login {
                password: secret, ..
            },
        ) => secrets.add(secret.expose_secret()),
        None => {}
    }
    secrets
}

/// Reads the name of a header.
pub(super) fn header_name(setting: &str, name: &str) -> Result<HeaderName, String> {
    let parsed = HeaderName::try_from(name);
    parsed.map_err(|_| format!("{setting} is {name:?}, which is not the name of a header"))
}

/// Reads the value of a header that is a secret.
pub(super) fn secret_value(setting: &str, value: &SecretString) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value.expose_secret())
        .map_err(|_| format!("{setting} has a character that a header cannot have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn bearer(token: &SecretString) -> Result<HeaderValue, String> {
    let value = SecretString::from(format!("Bearer {}", token.expose_secret()));
    secret_value("source.auth.token", &value)
}

/// The value of `Authorization: Basic` (RFC 7617), which has no invalid character.
fn basic(user: &str, password: &SecretString) -> HeaderValue {
    let encoded = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
    let value = HeaderValue::try_from(format!("Basic {encoded}"));
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
