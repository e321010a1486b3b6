//! Pauses of vendors that operators order.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use super::vendor_request;
use crate::openapi::parameters::in_path;
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::{body, pause as pause_body};
use crate::state::AppState;
use crate::views::vendors::PauseResultView;

const TAG: &str = "vendors";

/// `POST /api/v1/vendors/{vendor_id}/pause`.
pub(crate) async fn pause(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let vendor_id = vendor_request::vendor(&state, &request)?;
    let body = body::read_optional(&request, payload).await?;
    let reason = match &body {
        Some(body) => pause_body::parse(body)?,
        None => None,
    };
    let paused = state.vendors.pause(&vendor_id, reason.as_ref()).await?;
    Ok(HttpResponse::Ok().json(PauseResultView::new(&vendor_id, Some(&paused))))
}

/// The contract of `POST /api/v1/vendors/{vendor_id}/pause`.
pub(crate) fn pause_contract() -> Contract {
    contract("pause_vendor", "Pause a vendor")
        .description(
            "No scheduled sync of the vendor begins until it is resumed, in any process and whatever the results of its syncs. \
             A sync that is running ends normally, syncs on demand stay possible, and the vendor is sold from until its counts \
             are older than its setting `max_age`. Pausing a paused vendor keeps the time, and the reason unless another is \
             given. Returns 404 for a vendor that was never configured, or pushes its reports.",
        )
        .body(pause_body::contract())
        .response(
            200,
            ResponseSpec::json::<PauseResultView<'_>>("The pause of the vendor."),
        )
}

/// `POST /api/v1/vendors/{vendor_id}/resume`.
pub(crate) async fn resume(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let vendor_id = vendor_request::vendor_without_body(&state, &request, payload).await?;
    state.vendors.resume(&vendor_id).await?;
    Ok(HttpResponse::Ok().json(PauseResultView::new(&vendor_id, None)))
}

/// The contract of `POST /api/v1/vendors/{vendor_id}/resume`.
pub(crate) fn resume_contract() -> Contract {
    contract("resume_vendor", "Resume a vendor")
        .description(
            "Ends the pause that an operator ordered. The next scheduled sync begins within 10 seconds, or at the end of the \
             delay after failures. Resuming a vendor that is not paused has no effect. Returns 404 for a vendor that was never \
             configured.",
        )
        .body(body::contract_of_none())
        .response(
            200,
            ResponseSpec::json::<PauseResultView<'_>>("The vendor is not paused."),
        )
}

/// The contract of pausing or resuming a vendor.
fn contract(operation: &'static str, summary: &'static str) -> Contract {
    Contract::new(operation, TAG, summary)
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .problems(&[ProblemKind::NotFound, ProblemKind::OutcomeUnknown])
}
