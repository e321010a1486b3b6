//! The `Idempotency-Key` header.

use actix_web::HttpRequest;
use domain::identifiers::IdempotencyKey;

use crate::access::Caller;
use crate::problem::Problem;

const HEADER: &str = "Idempotency-Key";

/// The request's key, if it has one.
pub(crate) fn key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = request.headers().get_all(HEADER);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::malformed(
            "the Idempotency-Key header is given twice",
        ));
    }
    // Bytes beyond ASCII become characters that the key's own rule refuses.
    let text = String::from_utf8_lossy(value.as_bytes());
    IdempotencyKey::parse(Caller::idempotency_scope(request), text)
        .map(Some)
        .map_err(|wrong| Problem::malformed(format!("the Idempotency-Key {wrong}")))
}
