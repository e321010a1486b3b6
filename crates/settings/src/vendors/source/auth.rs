//! `auth` of all types of sources.

use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::super::{Problem, problem};
use super::optional_path;
use super::secret::SecretSource;
use crate::fields;

/// How a source is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthType {
    Basic,
    Bearer,
    Header,
    Query,
    ClientCredentials,
    Login,
    Password,
    Key,
    AccessKey,
}

const TYPES: [(&str, AuthType); 9] = [
    ("basic", AuthType::Basic),
    ("bearer", AuthType::Bearer),
    ("header", AuthType::Header),
    ("query", AuthType::Query),
    ("oauth2_client_credentials", AuthType::ClientCredentials),
    ("login", AuthType::Login),
    ("password", AuthType::Password),
    ("key", AuthType::Key),
    ("access_key", AuthType::AccessKey),
];

impl AuthType {
    fn name(self) -> &'static str {
        let found = TYPES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

fn names(types: &[AuthType], conjunction: &str) -> String {
    let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
    names.join(conjunction)
}

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table of settings")]
pub(super) struct AuthTable {
    #[serde(rename = "type", deserialize_with = "auth_type")]
    kind: Option<AuthType>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) user: Option<String>,
    #[serde(deserialize_with = "plain_secret")]
    password: Option<()>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) password_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) password_file: Option<PathBuf>,
    /// A JSON pointer with the type `login`, else a secret in plain text.
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) token: Option<String>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) token_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) token_file: Option<PathBuf>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) name: Option<String>,
    #[serde(deserialize_with = "plain_secret")]
    value: Option<()>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) value_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) value_file: Option<PathBuf>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) token_url: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) client_id: Option<String>,
    #[serde(deserialize_with = "plain_secret")]
    client_secret: Option<()>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) client_secret_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) client_secret_file: Option<PathBuf>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) scope: Option<String>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) url: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) user_field: Option<String>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) password_field: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) key_file: Option<PathBuf>,
    #[serde(deserialize_with = "plain_secret")]
    passphrase: Option<()>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) passphrase_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) passphrase_file: Option<PathBuf>,
    #[serde(deserialize_with = "fields::optional_string")]
    pub(super) id: Option<String>,
    #[serde(deserialize_with = "plain_secret")]
    secret: Option<()>,
    #[serde(deserialize_with = "fields::optional_secret_string")]
    pub(super) secret_env: Option<String>,
    #[serde(deserialize_with = "optional_path")]
    pub(super) secret_file: Option<PathBuf>,
}

impl AuthTable {
    /// Checks that the type is accepted by the source, that each setting is one of the type, and that no secret is in plain
    /// text. Returns the type.
    pub(super) fn check(&self, accepted: &[AuthType]) -> Result<AuthType, Problem> {
        let Some(kind) = self.kind else {
            return Err(problem("source.auth", "type is missing"));
        };
        if !accepted.contains(&kind) {
            let text = format!(
                "is {:?}, expected {} with this source.type",
                kind.name(),
                names(accepted, " or ")
            );
            return Err(problem("source.auth.type", text));
        }
        self.check_type(kind)?;
        self.check_plain(kind)?;
        Ok(kind)
    }

    /// The password, which is required.
    pub(super) fn password(self) -> Result<(String, SecretSource), Problem> {
        let user = required("user", self.user)?;
        let password = SecretSource::require("password", self.password_env, self.password_file)?;
        Ok((user, password))
    }

    /// Refuses settings of another type.
    fn check_type(&self, kind: AuthType) -> Result<(), Problem> {
        use AuthType::{
            AccessKey, Basic, Bearer, ClientCredentials, Header, Key, Login, Password, Query,
        };
        const PASSWORDS: &[AuthType] = &[Basic, Login, Password];
        const SECRETS: &[AuthType] = &[ClientCredentials];
        const USERS: &[AuthType] = &[Basic, Login, Password, Key];
        const VALUES: &[AuthType] = &[Header, Query];
        let settings = [
            ("user", self.user.is_some(), USERS),
            ("password", self.password.is_some(), PASSWORDS),
            ("password_env", self.password_env.is_some(), PASSWORDS),
            ("password_file", self.password_file.is_some(), PASSWORDS),
            ("token", self.token.is_some(), &[Bearer, Login]),
            ("token_env", self.token_env.is_some(), &[Bearer]),
            ("token_file", self.token_file.is_some(), &[Bearer]),
            ("name", self.name.is_some(), VALUES),
            ("value", self.value.is_some(), VALUES),
            ("value_env", self.value_env.is_some(), VALUES),
            ("value_file", self.value_file.is_some(), VALUES),
            ("token_url", self.token_url.is_some(), SECRETS),
            ("client_id", self.client_id.is_some(), SECRETS),
            ("client_secret", self.client_secret.is_some(), SECRETS),
            (
                "client_secret_env",
                self.client_secret_env.is_some(),
                SECRETS,
            ),
            (
                "client_secret_file",
                self.client_secret_file.is_some(),
                SECRETS,
            ),
            ("scope", self.scope.is_some(), SECRETS),
            ("url", self.url.is_some(), &[Login]),
            ("user_field", self.user_field.is_some(), &[Login]),
            ("password_field", self.password_field.is_some(), &[Login]),
            ("key_file", self.key_file.is_some(), &[Key]),
            ("passphrase", self.passphrase.is_some(), &[Key]),
            ("passphrase_env", self.passphrase_env.is_some(), &[Key]),
            ("passphrase_file", self.passphrase_file.is_some(), &[Key]),
            ("id", self.id.is_some(), &[AccessKey]),
            ("secret", self.secret.is_some(), &[AccessKey]),
            ("secret_env", self.secret_env.is_some(), &[AccessKey]),
            ("secret_file", self.secret_file.is_some(), &[AccessKey]),
        ];
        for (name, is_set, types) in settings {
            if is_set && !types.contains(&kind) {
                let text = format!(
                    "is a setting of the type {}, but source.auth.type is {:?}",
                    names(types, " and "),
                    kind.name()
                );
                return Err(problem(format!("source.auth.{name}"), text));
            }
        }
        Ok(())
    }

    /// Refuses secrets in plain text.
    fn check_plain(&self, kind: AuthType) -> Result<(), Problem> {
        for (name, is_set) in [
            ("password", self.password.is_some()),
            ("token", self.token.is_some() && kind != AuthType::Login),
            ("value", self.value.is_some()),
            ("client_secret", self.client_secret.is_some()),
            ("passphrase", self.passphrase.is_some()),
            ("secret", self.secret.is_some()),
        ] {
            if is_set {
                let text = format!(
                    "is a secret in plain text, expected {name}_env with the name of a variable, or {name}_file with a path"
                );
                return Err(problem(format!("source.auth.{name}"), text));
            }
        }
        Ok(())
    }
}

pub(super) fn required<T>(name: &str, value: Option<T>) -> Result<T, Problem> {
    value.ok_or_else(|| problem("source.auth", format!("{name} is missing")))
}

fn auth_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AuthType>, D::Error> {
    fields::one_of(deserializer, &TYPES).map(Some)
}

/// Notes that a setting is there, without its value.
fn plain_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<()>, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| Some(()))
}
