//! Tokens that credentials are exchanged for: with the client's credentials (RFC 6749, section 4.4), and with a login.
//!
//! Only the endpoint in the settings receives the credentials: its redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::Clock;
use jsonptr::Pointer;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::{Failure, HttpAuth, Secrets, basic, bearer};
use crate::source::http::targets::shown_host;

/// Maximum size of the response of a token endpoint, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// Time before its expiry from which a token is not used, at most a tenth of its lifetime.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);
/// Longest lifetime of a token that is considered.
const MAX_LIFETIME_S: u64 = 365 * 24 * 60 * 60;
/// Longest error code of an endpoint that is passed on, in bytes.
const MAX_CODE_BYTES: usize = 60;

/// Requests tokens, and keeps the current one.
pub(crate) struct TokenSource {
    auth: HttpAuth,
    secrets: Arc<Secrets>,
    current: Mutex<Option<Token>>,
}

struct Token {
    header: HeaderValue,
    /// `None`: the endpoint does not state it.
    expires_at: Option<Instant>,
}

/// A token as the endpoint states it.
#[derive(Debug, PartialEq, Eq)]
struct Granted {
    token: String,
    lifetime: Option<Duration>,
}

impl TokenSource {
    /// `auth` MUST be one that is exchanged for a token.
    pub(super) fn new(auth: HttpAuth, secrets: Arc<Secrets>) -> Self {
        Self {
            auth,
            secrets,
            current: Mutex::new(None),
        }
    }

    /// The value of `Authorization`, with a new token if there is none or it is about to expire.
    pub(super) async fn get(
        &self,
        client: &Client,
        clock: &dyn Clock,
    ) -> Result<HeaderValue, Failure> {
        let mut current = self.current.lock().await;
        let is_valid = |token: &&Token| token.expires_at.is_none_or(|at| Instant::now() < at);
        if let Some(token) = current.as_ref().filter(is_valid) {
            return Ok(token.header.clone());
        }
        *current = None;
        let requested_at = Instant::now();
        let granted = self.request(client, clock).await?;
        self.secrets.add_token(&granted.token);
        let header = bearer(&SecretString::from(granted.token))
            .map_err(|_| self.problem("has a token with a character that a header cannot have"))?;
        let lifetime = granted.lifetime;
        let used =
            lifetime.map(|lifetime| lifetime.saturating_sub(EXPIRY_MARGIN.min(lifetime / 10)));
        *current = Some(Token {
            header: header.clone(),
            expires_at: used.map(|used| requested_at + used),
        });
        Ok(header)
    }

    /// Discards the token, unless it was renewed after `used`.
    pub(super) async fn discard(&self, used: &HeaderValue) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|token| token.header == used) {
            *current = None;
        }
    }

    async fn request(&self, client: &Client, clock: &dyn Clock) -> Result<Granted, Failure> {
        match &self.auth {
            HttpAuth::ClientCredentials {
                token_url,
                client_id,
                client_secret,
                scope,
            } => {
                let post = |header: Option<HeaderValue>, form: String| {
                    let form_type = "application/x-www-form-urlencoded";
                    post(client, token_url, (form_type, form), header)
                };
                let form = |credentials: &[(&str, &str)]| {
                    let mut form = Serializer::new(String::new());
                    form.append_pair("grant_type", "client_credentials");
                    form.extend_pairs(scope.iter().map(|scope| ("scope", scope)));
                    form.extend_pairs(credentials);
                    form.finish()
                };
                let header = client_header(client_id, client_secret);
                let mut response = post(Some(header), form(&[])).await?;
                // Some endpoints accept the credentials in the body only, although section 2.3.1 requires the header.
                if matches!(
                    response.status(),
                    StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED
                ) {
                    let secret = client_secret.expose_secret();
                    let body = form(&[("client_id", client_id), ("client_secret", secret)]);
                    response = post(None, body).await?;
                }
                let body = self.read(response, clock).await?;
                oauth_token(&body).map_err(|problem| self.problem(&problem))
            }
            HttpAuth::Login {
                url,
                user,
                password,
                user_field,
                password_field,
                token,
            } => {
                let mut login = serde_json::Map::new();
                login.insert(user_field.clone(), user.as_str().into());
                login.insert(password_field.clone(), password.expose_secret().into());
                let body = Value::Object(login).to_string();
                let response = post(client, url, ("application/json", body), None).await?;
                let body = self.read(response, clock).await?;
                let token = token_at(&body, token);
                let token = token.ok_or_else(|| {
                    let problem =
                        format!("has no token at {:?} (source.auth.token)", self.pointer());
                    self.problem(&problem)
                })?;
                Ok(Granted {
                    token,
                    lifetime: None,
                })
            }
            _ => Err(Failure::unavailable("source.auth needs no token")),
        }
    }

    /// Reads the body of a successful response; the error of another one names its error code (RFC 6749, section 5.2).
    async fn read(&self, response: Response, clock: &dyn Clock) -> Result<Value, Failure> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = read_body(response).await?;
        let parsed = body.as_deref().map(serde_json::from_slice::<Value>);
        if !matches!(status, StatusCode::OK | StatusCode::CREATED) {
            let code = match &parsed {
                Some(Ok(body)) => error_code(body),
                _ => None,
            };
            let hint = code.map_or(String::new(), |code| format!(" ({code})"));
            return Err(self.status((status, &headers), clock, &hint));
        }
        match parsed {
            Some(Ok(body)) => Ok(body),
            Some(Err(_)) => Err(self.problem("is not JSON")),
            None => {
                let problem = format!("is larger than {MAX_RESPONSE_BYTES} bytes");
                Err(self.problem(&problem))
            }
        }
    }

    fn status(&self, response: (StatusCode, &HeaderMap), clock: &dyn Clock, hint: &str) -> Failure {
        let (host, setting) = self.endpoint();
        let subject = format!("the token endpoint {host} ({setting})");
        Failure::from_status(response, clock, &subject, hint)
    }

    /// A response without a token.
    fn problem(&self, problem: &str) -> Failure {
        let (host, setting) = self.endpoint();
        Failure::unavailable(format!(
            "the response of the token endpoint {host} ({setting}) {problem}"
        ))
    }

    /// The host of the endpoint and the setting that names it.
    fn endpoint(&self) -> (String, &'static str) {
        match &self.auth {
            HttpAuth::ClientCredentials { token_url, .. } => {
                (shown_host(token_url), "source.auth.token_url")
            }
            HttpAuth::Login { url, .. } => (shown_host(url), "source.auth.url"),
            _ => (String::new(), "source.auth"),
        }
    }

    fn pointer(&self) -> &str {
        match &self.auth {
            HttpAuth::Login { token, .. } => token,
            _ => "",
        }
    }
}

/// `Authorization` with the credentials of a client, which are encoded as in a form (RFC 6749, section 2.3.1).
pub(super) fn client_header(client_id: &str, client_secret: &SecretString) -> HeaderValue {
    let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let secret = SecretString::from(encode(client_secret.expose_secret()));
    basic(&encode(client_id), &secret)
}

async fn post(
    client: &Client,
    url: &Url,
    (media_type, body): (&'static str, String),
    authorization: Option<HeaderValue>,
) -> Result<Response, Failure> {
    let fields: [(HeaderName, HeaderValue); 2] = [
        (ACCEPT, HeaderValue::from_static("application/json")),
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
    ];
    let mut headers = HeaderMap::from_iter(fields);
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    let request = client.post(url.clone()).headers(headers).body(body);
    request.send().await.map_err(Failure::from_transport)
}

/// Reads a body; `None` if it is too large.
async fn read_body(mut response: Response) -> Result<Option<Vec<u8>>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::from_transport)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_RESPONSE_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(body))
}

/// The error code of a response, if it is a word.
fn error_code(body: &Value) -> Option<&str> {
    let code = body.get("error")?.as_str()?;
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    (code.len() <= MAX_CODE_BYTES && code.chars().all(is_word)).then_some(code)
}

/// Reads the response of an OAuth 2 token endpoint (RFC 6749, section 5.1). The error is a predicate.
fn oauth_token(body: &Value) -> Result<Granted, String> {
    let token = body.get("access_token").and_then(Value::as_str);
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or("has no access_token")?.to_owned();
    let token_type = body.get("token_type").and_then(Value::as_str);
    if token_type.is_some_and(|token_type| !token_type.eq_ignore_ascii_case("bearer")) {
        return Err("has a token_type other than Bearer, which is not supported".to_owned());
    }
    let lifetime = match body.get("expires_in") {
        Some(Value::Number(seconds)) => seconds.as_u64(),
        // Some endpoints write it in quotes.
        Some(Value::String(seconds)) => seconds.parse().ok(),
        _ => None,
    };
    let lifetime = lifetime.map(|seconds| Duration::from_secs(seconds.min(MAX_LIFETIME_S)));
    Ok(Granted { token, lifetime })
}

/// The token at a JSON pointer.
fn token_at(body: &Value, pointer: &str) -> Option<String> {
    let pointer = Pointer::parse(pointer).ok()?;
    let token = pointer.resolve(body).ok()?.as_str()?;
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn token_and_lifetime_are_read() {
        let second = Duration::from_secs(1);
        for (body, lifetime) in [
            (
                json!({"access_token": "t", "token_type": "bearer", "expires_in": 3600}),
                Some(3_600 * second),
            ),
            (
                json!({"access_token": "t", "expires_in": "60"}),
                Some(60 * second),
            ),
            (
                json!({"access_token": "t", "expires_in": 0}),
                Some(Duration::ZERO),
            ),
            (
                json!({"access_token": "t", "expires_in": u64::MAX}),
                Some(Duration::from_secs(MAX_LIFETIME_S)),
            ),
            (json!({"access_token": "t", "expires_in": null}), None),
            (json!({"access_token": "t"}), None),
        ] {
            let token = "t".to_owned();
            assert_eq!(
                oauth_token(&body),
                Ok(Granted { token, lifetime }),
                "{body}"
            );
        }
        for (body, problem) in [
            (json!({"error": "x"}), "has no access_token"),
            (json!({"access_token": ""}), "has no access_token"),
            (json!([]), "has no access_token"),
            (
                json!({"access_token": "t", "token_type": "mac"}),
                "has a token_type other than Bearer, which is not supported",
            ),
        ] {
            assert_eq!(oauth_token(&body), Err(problem.to_owned()), "{body}");
        }
    }

    #[test]
    fn token_is_found_by_its_pointer() {
        for (body, pointer, expected) in [
            (json!({"token": "t"}), "/token", Some("t")),
            (json!({"data": [{"jwt": "t"}]}), "/data/0/jwt", Some("t")),
            (json!("t"), "", Some("t")),
            (json!({"token": 7}), "/token", None),
            (json!({"token": ""}), "/token", None),
            (json!({}), "/token", None),
        ] {
            assert_eq!(token_at(&body, pointer).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn error_code_is_a_word() {
        let code = |error: &str| error_code(&json!({"error": error})).map(str::to_owned);
        assert_eq!(code("invalid_client").as_deref(), Some("invalid_client"));
        assert_eq!(code("the secret abc is wrong"), None);
        assert_eq!(error_code(&json!({"error": {"code": 1}})), None);
    }

    #[test]
    fn credentials_of_a_client_are_encoded_as_in_a_form() {
        let header = client_header("shop 1", &SecretString::from("a:b+c"));
        // shop+1:a%3Ab%2Bc
        assert_eq!(header.to_str().unwrap(), "Basic c2hvcCsxOmElM0FiJTJCYw==");
        assert!(header.is_sensitive());
    }
}
