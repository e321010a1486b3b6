//! The `Authorization` header (RFC 6750), and the challenge if it does not authenticate a request.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

/// Why a request is not authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthenticated {
    /// The request has no key.
    NoKey,
    /// The header does not contain exactly one key.
    Malformed,
    /// The key is unknown.
    UnknownKey,
}

impl Unauthenticated {
    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(self) -> &'static str {
        match self {
            Self::NoKey => r#"Bearer realm="order-aggregator""#,
            Self::Malformed | Self::UnknownKey => {
                r#"Bearer realm="order-aggregator", error="invalid_token""#
            }
        }
    }

    /// The problem detail for the client.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::NoKey => "an API key is required: send it as Authorization: Bearer <key>",
            Self::Malformed => "the Authorization header must be Bearer and one API key",
            Self::UnknownKey => "the API key is unknown",
        }
    }
}

/// Returns the key that a request presents.
///
/// # Errors
/// [`Unauthenticated`], unless the request has one `Authorization` header with one key.
pub fn bearer_key(headers: &HeaderMap) -> Result<&[u8], Unauthenticated> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next().ok_or(Unauthenticated::NoKey)?.as_bytes();
    if values.next().is_some() {
        return Err(Unauthenticated::Malformed);
    }
    let end = value.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        // RFC 6750 requires a challenge without an error code if the request uses another scheme.
        return Err(Unauthenticated::NoKey);
    }
    let key = rest.trim_ascii();
    let is_key = !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    is_key.then_some(key).ok_or(Unauthenticated::Malformed)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, Unauthenticated> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_key(&headers).map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn key_is_read_after_bearer_in_any_case() {
        for valid in ["Bearer a", "bearer a", "BEARER a", "Bearer   a"] {
            assert_eq!(read(&[valid.as_bytes()]).as_deref(), Ok("a"), "{valid}");
        }
    }

    #[test]
    fn missing_and_malformed_keys_are_distinguished() {
        assert_eq!(read(&[]), Err(Unauthenticated::NoKey));
        for other in ["Basic YTpi", "a", "", "Bearera"] {
            assert_eq!(
                read(&[other.as_bytes()]),
                Err(Unauthenticated::NoKey),
                "{other}"
            );
        }
        for malformed in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a\xff",
            b"Bearer a\tb",
        ] {
            assert_eq!(
                read(&[malformed]),
                Err(Unauthenticated::Malformed),
                "{malformed:?}"
            );
        }
        assert_eq!(
            read(&[b"Bearer a", b"Bearer a"]),
            Err(Unauthenticated::Malformed)
        );
    }
}
