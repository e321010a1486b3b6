//! Readiness.

use actix_web::HttpResponse;
use actix_web::web::Data;
use readiness::ReadinessView;

use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, headers, problems};
use crate::problem::ProblemKind;
use crate::state::AppState;

/// `GET /readyz`: 200 while orders can be accepted.
pub(crate) async fn ready(state: Data<AppState>) -> HttpResponse {
    let mut readiness = state.readiness.readiness().await;
    if state.shutdown.is_draining() {
        readiness.closed = Some("shutting down");
    }
    readiness.response()
}

/// The contract of `GET /readyz`.
pub(crate) fn ready_contract() -> Contract {
    let not_ready = ResponseSpec::json::<ReadinessView<'_>>(
        "The process is not ready, with the reason in the body; or the request failed.",
    )
    .content("application/problem+json", problems::schema())
    .header(headers::RETRY_AFTER);
    Contract::new("show_readiness", "service", "Check readiness")
.description("Returns 200 while the process can accept orders, else 503. The body contains the state of each dependency and \
background task, and the lag of the outbox.")
        .response(200, ResponseSpec::json::<ReadinessView<'_>>("The process is ready."))
        .response(503, not_ready)
        .problems(&[ProblemKind::Unavailable])
}
