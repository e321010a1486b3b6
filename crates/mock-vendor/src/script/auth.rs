//! How clients of a scripted vendor authenticate. The secrets are in the script, in plain text: they protect nothing.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::transport::TransportName;
use crate::format::Node;

/// The names of the settings of the feed that authenticates.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Auth {
    Basic {
        user: String,
        password: String,
    },
    Bearer {
        token: String,
    },
    Header {
        name: String,
        value: String,
    },
    Query {
        name: String,
        value: String,
    },
    /// RFC 6749, 4.4: `POST` on `token_path` returns a token.
    Oauth2ClientCredentials {
        #[serde(default = "token_path")]
        token_path: String,
        client_id: String,
        client_secret: String,
        scope: Option<String>,
        /// Number of requests for which a token is valid; without it, a token does not expire.
        expires_after: Option<u32>,
    },
    /// `POST` of user and password on `path`, as JSON or as a form, returns a token.
    Login {
        #[serde(default = "login_path")]
        path: String,
        user: String,
        password: String,
        /// Names of the fields of the request.
        #[serde(default = "user_field")]
        user_field: String,
        #[serde(default = "password_field")]
        password_field: String,
        /// Pointer to the token in the response.
        #[serde(default = "token_path")]
        token: String,
        expires_after: Option<u32>,
    },
    Password {
        user: String,
        password: String,
    },
    Key {
        user: String,
        /// In the format of OpenSSH, as the line of a file `.pub`.
        public_key: String,
    },
    AccessKey {
        id: String,
        secret: String,
    },
}

fn user_field() -> String {
    "username".to_owned()
}

fn password_field() -> String {
    "password".to_owned()
}

fn token_path() -> String {
    "/token".to_owned()
}

fn login_path() -> String {
    "/login".to_owned()
}

/// A status and a JSON body of the path that returns tokens.
pub(crate) type TokenResponse = (u16, String);

/// The tokens of one vendor.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<Issued>);

#[derive(Debug, Default)]
struct Issued {
    count: u32,
    /// The number of requests for which each token is still valid.
    left: HashMap<String, Option<u32>>,
}

impl Tokens {
    fn issue(&self, expires_after: Option<u32>) -> String {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.count += 1;
        let token = format!("token-{}", issued.count);
        issued.left.insert(token.clone(), expires_after);
        token
    }

    /// Whether a token is valid for this request.
    fn use_once(&self, token: &str) -> bool {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match issued.left.get_mut(token) {
            None | Some(Some(0)) => false,
            Some(None) => true,
            Some(Some(left)) => {
                *left -= 1;
                true
            }
        }
    }
}

impl Auth {
    /// The path that returns tokens.
    pub(crate) fn token_path(&self) -> Option<&str> {
        match self {
            Self::Oauth2ClientCredentials { token_path, .. } => Some(token_path),
            Self::Login { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The transports that authenticate so.
    pub(crate) fn transports(&self) -> &'static [TransportName] {
        match self {
            Self::Bearer { .. } => &[TransportName::Http, TransportName::Push],
            Self::Password { .. } => &[TransportName::Sftp, TransportName::Ftps],
            Self::Key { .. } => &[TransportName::Sftp],
            Self::AccessKey { .. } => &[TransportName::Bucket],
            _ => &[TransportName::Http],
        }
    }

    /// Why the options are invalid.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.token_path().is_some_and(|path| !path.starts_with('/')) {
            return Some("the path of the token must start with /".to_owned());
        }
        match self {
            Self::Header { name, .. } if HeaderName::from_bytes(name.as_bytes()).is_err() => {
                Some(format!("{name:?} is not the name of a header field"))
            }
            Self::Login { token, .. } => Node::Object(Vec::new())
                .set(token, Node::List(Vec::new()))
                .err(),
            _ => None,
        }
    }

    /// Whether a request for the report is authenticated.
    pub(crate) fn accepts(&self, request: &HttpRequest, tokens: &Tokens) -> bool {
        let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
        let bearer = || {
            let value = header(AUTHORIZATION.as_str())?;
            std::str::from_utf8(value).ok()?.strip_prefix("Bearer ")
        };
        match self {
            Self::Basic { user, password } => {
                header(AUTHORIZATION.as_str()) == Some(basic(user, password).as_bytes())
            }
            Self::Bearer { token } => bearer() == Some(token.as_str()),
            Self::Header { name, value } => header(name) == Some(value.as_bytes()),
            Self::Query { name, value } => {
                let query = request.query_string().as_bytes();
                form_urlencoded::parse(query).any(|pair| pair.0 == *name && pair.1 == *value)
            }
            Self::Oauth2ClientCredentials { .. } | Self::Login { .. } => {
                bearer().is_some_and(|token| tokens.use_once(token))
            }
            Self::Password { .. } | Self::Key { .. } | Self::AccessKey { .. } => false,
        }
    }

    /// Responds to a request for a token.
    pub(crate) fn issue(
        &self,
        request: &HttpRequest,
        body: &[u8],
        tokens: &Tokens,
    ) -> TokenResponse {
        let fields = fields(body);
        let field = |name: &str| fields.get(name).map(String::as_str);
        match self {
            Self::Oauth2ClientCredentials {
                client_id,
                client_secret,
                scope,
                expires_after,
                ..
            } => {
                let header = request.headers().get(AUTHORIZATION);
                let is_header =
                    header.is_some_and(|value| value == basic(client_id, client_secret).as_str());
                let is_body = field("client_id") == Some(client_id.as_str())
                    && field("client_secret") == Some(client_secret.as_str());
                if field("grant_type") != Some("client_credentials") {
                    return (400, r#"{"error":"unsupported_grant_type"}"#.to_owned());
                }
                if !is_header && !is_body {
                    return (401, r#"{"error":"invalid_client"}"#.to_owned());
                }
                if scope.is_some() && field("scope") != scope.as_deref() {
                    return (400, r#"{"error":"invalid_scope"}"#.to_owned());
                }
                let token = tokens.issue(*expires_after);
                let body = format!(
                    r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#
                );
                (200, body)
            }
            Self::Login {
                user,
                password,
                user_field,
                password_field,
                token,
                expires_after,
                ..
            } => {
                if field(user_field) != Some(user.as_str())
                    || field(password_field) != Some(password.as_str())
                {
                    return (401, r#"{"error":"wrong user or password"}"#.to_owned());
                }
                let mut body = Node::Object(Vec::new());
                let value = Node::text(&tokens.issue(*expires_after));
                let written = value
                    .and_then(|value| body.set(token, value))
                    .and_then(|()| body.to_json());
                written.map_or_else(|problem| (500, problem), |body| (200, body))
            }
            _ => (404, String::new()),
        }
    }
}

/// The value of `Authorization` for a user and a password.
fn basic(user: &str, password: &str) -> String {
    let credentials = BASE64_STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {credentials}")
}

/// The texts of a JSON object or of a form.
fn fields(body: &[u8]) -> HashMap<String, String> {
    if let Ok(Value::Object(members)) = serde_json::from_slice(body) {
        let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
        return members.into_iter().filter_map(text).collect();
    }
    form_urlencoded::parse(body).into_owned().collect()
}
