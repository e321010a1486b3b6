//! The body of `POST /api/v1/vendors/{vendor_id}/pause`.

use domain::services::PauseReason;
use serde_json::json;

use super::json::{Members, Scalar};
use crate::openapi::{Body, schemas};
use crate::problem::{FieldError, Problem};

const REASON: &str = "reason";

/// Parses the reason, or returns all errors.
pub(crate) fn parse(body: &[u8]) -> Result<Option<PauseReason>, Problem> {
    let mut members = Members::parse(body)?;
    let mut errors = Vec::new();
    let reason = take_reason(&mut members).map_err(|error| errors.push(error));
    members.refuse_rest(&mut errors);
    match reason {
        Ok(reason) if errors.is_empty() => Ok(reason),
        _ => Err(Problem::invalid(errors)),
    }
}

/// The contract of the body.
pub(crate) fn contract() -> Body {
    let pause = schemas::closed_object().property(REASON, schemas::pause_reason());
    Body {
        description: "The reason of the pause. No body, or an empty object, pauses without one.",
        required: false,
        schema: "PauseRequest",
        example: json!({REASON: "stocktaking until noon"}),
        schemas: [("PauseRequest".to_owned(), pause.into())].into(),
    }
}

fn take_reason(members: &mut Members<'_>) -> Result<Option<PauseReason>, FieldError> {
    match members.take(REASON) {
        Some(Scalar::Text(text)) => PauseReason::parse(&text)
            .map(Some)
            .map_err(|error| FieldError::of_member(REASON, error.to_string())),
        Some(_) => Err(FieldError::of_member(REASON, "must be a string")),
        None => Ok(None),
    }
}
