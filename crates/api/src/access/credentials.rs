//! The `Authorization` header (RFC 6750), and what is answered when it is not enough.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError as _};

use crate::problem::{Problem, ProblemKind};

/// Why it is not known who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// It presents no key.
    NoKey,
    /// It presents something that is not one key.
    Malformed,
    /// It presents a key that is not known.
    WrongKey,
}

impl Unknown {
    /// 401, with the challenge that says what would be enough.
    pub(crate) fn answer(self) -> HttpResponse {
        let (challenge, detail) = match self {
            Self::NoKey => (
                r#"Bearer realm="order-aggregator""#,
                "an API key is needed: send it as Authorization: Bearer <key>",
            ),
            Self::Malformed => (
                r#"Bearer realm="order-aggregator", error="invalid_token""#,
                "the Authorization header is not Bearer and one API key",
            ),
            Self::WrongKey => (
                r#"Bearer realm="order-aggregator", error="invalid_token""#,
                "the API key is not known",
            ),
        };
        let mut answer = Problem::new(ProblemKind::Unauthenticated, detail).error_response();
        let challenge = HeaderValue::from_static(challenge);
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        answer
    }
}

/// The key that a request presents.
pub(crate) fn presented(headers: &HeaderMap) -> Result<&[u8], Unknown> {
    let mut values = headers.get_all(AUTHORIZATION);
    let value = values.next().ok_or(Unknown::NoKey)?.as_bytes();
    if values.next().is_some() {
        return Err(Unknown::Malformed);
    }
    let end = value.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = value.split_at(end.unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        // RFC 6750 wants no error code here: such a client does not know the scheme at all.
        return Err(Unknown::NoKey);
    }
    let key = rest.trim_ascii();
    let is_key = !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    is_key.then_some(key).ok_or(Unknown::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, Unknown> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        presented(&headers).map(|key| String::from_utf8(key.to_vec()).unwrap())
    }

    #[test]
    fn a_key_stands_after_bearer_in_any_case() {
        for good in ["Bearer a", "bearer a", "BEARER a", "Bearer   a"] {
            assert_eq!(read(&[good.as_bytes()]).as_deref(), Ok("a"), "{good}");
        }
    }

    #[test]
    fn whatever_else_is_there_is_told_apart() {
        assert_eq!(read(&[]), Err(Unknown::NoKey));
        for other in ["Basic YTpi", "a", "", "Bearera"] {
            assert_eq!(read(&[other.as_bytes()]), Err(Unknown::NoKey), "{other}");
        }
        for wrong in [
            &b"Bearer"[..],
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a\xff",
            b"Bearer a\tb",
        ] {
            assert_eq!(read(&[wrong]), Err(Unknown::Malformed), "{wrong:?}");
        }
        assert_eq!(read(&[b"Bearer a", b"Bearer a"]), Err(Unknown::Malformed));
    }
}
