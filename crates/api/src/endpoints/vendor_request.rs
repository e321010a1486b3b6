//! The checks that all requests to change one vendor have in common.

use actix_web::HttpRequest;
use actix_web::web::Payload;
use domain::identifiers::VendorId;

use crate::problem::Problem;
use crate::request::query::Query;
use crate::request::{body, path};
use crate::state::AppState;

/// Returns the vendor of a request, which must have no query. Refuses it while the process shuts down.
pub(super) fn vendor(state: &AppState, request: &HttpRequest) -> Result<VendorId, Problem> {
    state.refuse_while_shutting_down()?;
    Query::refuse_any(request)?;
    path::vendor_id(request)
}

/// Returns the vendor of a request, as [`vendor`] does. The request must have no body either.
pub(super) async fn vendor_without_body(
    state: &AppState,
    request: &HttpRequest,
    payload: Payload,
) -> Result<VendorId, Problem> {
    let vendor_id = vendor(state, request)?;
    body::read_none(request, payload).await?;
    Ok(vendor_id)
}
