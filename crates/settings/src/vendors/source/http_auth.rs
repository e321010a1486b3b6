//! `auth` of sources over HTTP.

use jsonptr::PointerBuf;
use url::Url;

use super::super::{Problem, problem};
use super::auth::{AuthTable, AuthType, required};
use super::parse_http_url;
use super::secret::SecretSource;
use crate::fields;

/// How the requests of a source are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAuthSettings {
    /// `Authorization: Basic`.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: SecretSource,
    },
    /// `Authorization: Bearer` with a fixed token.
    Bearer {
        /// The token.
        token: SecretSource,
    },
    /// A header.
    Header {
        /// The name.
        name: String,
        /// The whole value.
        value: SecretSource,
    },
    /// A parameter of the query.
    Query {
        /// The name.
        name: String,
        /// The value.
        value: SecretSource,
    },
    /// A token of OAuth 2 that the client's credentials are exchanged for.
    ClientCredentials {
        /// The token endpoint.
        token_url: Url,
        /// The id of the client.
        client_id: String,
        /// The secret of the client.
        client_secret: SecretSource,
        /// The scope to request.
        scope: Option<String>,
    },
    /// A token that user and password are exchanged for.
    Login {
        /// Where they are posted to.
        url: Url,
        /// The user.
        user: String,
        /// The password.
        password: SecretSource,
        /// The member of the posted object that has the user.
        user_field: String,
        /// The member that has the password.
        password_field: String,
        /// Pointer to the token in the response.
        token: PointerBuf,
    },
}

const TYPES: [AuthType; 6] = [
    AuthType::Basic,
    AuthType::Bearer,
    AuthType::Header,
    AuthType::Query,
    AuthType::ClientCredentials,
    AuthType::Login,
];

impl HttpAuthSettings {
    /// The account, as far as the settings show it: the user or the client. Two names of variables may have one key.
    pub(super) fn account(&self) -> Option<&str> {
        match self {
            Self::Basic { user, .. } | Self::Login { user, .. } => Some(user),
            Self::ClientCredentials { client_id, .. } => Some(client_id),
            Self::Bearer { .. } | Self::Header { .. } | Self::Query { .. } => None,
        }
    }

    /// Validates the table.
    pub(super) fn check(auth: AuthTable) -> Result<Self, Problem> {
        let kind = auth.check(&TYPES)?;
        Ok(match kind {
            AuthType::Bearer => Self::Bearer {
                token: SecretSource::require("token", auth.token_env, auth.token_file)?,
            },
            AuthType::Header => {
                let name = required("name", auth.name)?;
                if !is_token(&name) {
                    let found = fields::quoted(&name);
                    let text = format!("is {found}, expected the name of a header");
                    return Err(problem("source.auth.name", text));
                }
                let value = SecretSource::require("value", auth.value_env, auth.value_file)?;
                Self::Header { name, value }
            }
            AuthType::Query => Self::Query {
                name: required("name", auth.name)?,
                value: SecretSource::require("value", auth.value_env, auth.value_file)?,
            },
            AuthType::ClientCredentials => Self::ClientCredentials {
                token_url: url("token_url", auth.token_url)?,
                client_id: required("client_id", auth.client_id)?,
                client_secret: SecretSource::require(
                    "client_secret",
                    auth.client_secret_env,
                    auth.client_secret_file,
                )?,
                scope: auth.scope,
            },
            AuthType::Login => Self::Login {
                url: url("url", auth.url)?,
                user: required("user", auth.user)?,
                password: SecretSource::require("password", auth.password_env, auth.password_file)?,
                user_field: auth.user_field.unwrap_or_else(|| "username".to_owned()),
                password_field: auth.password_field.unwrap_or_else(|| "password".to_owned()),
                token: pointer(auth.token.as_deref().unwrap_or("/token"))?,
            },
            // The others were refused above.
            AuthType::Basic | AuthType::Password | AuthType::Key | AuthType::AccessKey => {
                Self::Basic {
                    user: required("user", auth.user)?,
                    password: SecretSource::require(
                        "password",
                        auth.password_env,
                        auth.password_file,
                    )?,
                }
            }
        })
    }
}

/// Whether a text may be the name of a header (RFC 9110, section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let is_valid = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    !text.is_empty() && text.chars().all(is_valid)
}

fn url(name: &str, text: Option<String>) -> Result<Url, Problem> {
    let text = required(name, text)?;
    let url = parse_http_url(&text);
    url.map_err(|text| problem(format!("source.auth.{name}"), text))
}

/// Reads the pointer to a token. The error does not quote it, because it may be the token itself.
fn pointer(text: &str) -> Result<PointerBuf, Problem> {
    PointerBuf::parse(text).map_err(|_| {
        let text = "is not a JSON pointer to the token in the response, such as /token";
        problem("source.auth.token", text)
    })
}
