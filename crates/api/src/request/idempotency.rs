//! The `Idempotency-Key` header.

use actix_web::HttpRequest;
use domain::identifiers::IdempotencyKey;

use super::header;
use crate::middleware::auth::Caller;
use crate::problem::Problem;

const HEADER: &str = "Idempotency-Key";

/// The idempotency key of a request, if present.
pub(crate) fn key(request: &HttpRequest) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(text) = header::single(request, HEADER)? else {
        return Ok(None);
    };
    IdempotencyKey::parse(Caller::idempotency_scope(request), text)
        .map(Some)
        .map_err(|error| Problem::malformed(format!("the Idempotency-Key {error}")))
}
