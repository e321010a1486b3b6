//! The `Authorization` header (RFC 6750), and the challenge when it is not enough.

use actix_web::http::header::{AUTHORIZATION, HeaderMap};

/// Why it is not known who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unauthenticated {
    /// It presents no key.
    NoKey,
    /// It presents something that is not one key.
    Malformed,
    /// It presents a key that is not known.
    WrongKey,
}

impl Unauthenticated {
    /// The value of `WWW-Authenticate`: what would be enough.
    #[must_use]
    pub fn challenge(self) -> &'static str {
        match self {
            Self::NoKey => r#"Bearer realm="order-aggregator""#,
            Self::Malformed | Self::WrongKey => {
                r#"Bearer realm="order-aggregator", error="invalid_token""#
            }
        }
    }

    /// The reason, for the client.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::NoKey => "an API key is needed: send it as Authorization: Bearer <key>",
            Self::Malformed => "the Authorization header is not Bearer and one API key",
            Self::WrongKey => "the API key is not known",
        }
    }
}

/// The key that a request presents.
///
/// # Errors
/// [`Unauthenticated`], unless there is one header with one key.
pub fn bearer_key(headers: &HeaderMap) -> Result<&[u8], Unauthenticated> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next().ok_or(Unauthenticated::NoKey)?.as_bytes();
    if values.next().is_some() {
        return Err(Unauthenticated::Malformed);
    }
    let end = value.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        // RFC 6750 wants no error code here: such a client does not know the scheme at all.
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
    fn a_key_stands_after_bearer_in_any_case() {
        for good in ["Bearer a", "bearer a", "BEARER a", "Bearer   a"] {
            assert_eq!(read(&[good.as_bytes()]).as_deref(), Ok("a"), "{good}");
        }
    }

    #[test]
    fn whatever_else_is_there_is_told_apart() {
        assert_eq!(read(&[]), Err(Unauthenticated::NoKey));
        for other in ["Basic YTpi", "a", "", "Bearera"] {
            assert_eq!(
                read(&[other.as_bytes()]),
                Err(Unauthenticated::NoKey),
                "{other}"
            );
        }
        for wrong in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a\xff",
            b"Bearer a\tb",
        ] {
            assert_eq!(read(&[wrong]), Err(Unauthenticated::Malformed), "{wrong:?}");
        }
        assert_eq!(
            read(&[b"Bearer a", b"Bearer a"]),
            Err(Unauthenticated::Malformed)
        );
    }
}
