//! Reports that vendors push.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::warn;

use super::vendor_request;
use crate::openapi::parameters::in_path;
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::report;
use crate::state::AppState;
use crate::views::vendors::SyncView;

/// `POST /api/v1/vendors/{vendor_id}/reports`.
pub(crate) async fn push(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let vendor_id = vendor_request::vendor(&state, &request)?;
    let push = state.vendors.begin_push(&vendor_id).await?;
    let received = async {
        let upload = push.receive(report::document(&request)?);
        let upload = upload.map_err(report::upload_problem)?;
        report::receive(&request, payload, upload, push.timeout()).await
    };
    let received = received.await.inspect_err(|problem| {
        warn!(vendor.id = %vendor_id, %problem, "pushed report was not received; the vendor's stock is unchanged");
    })?;
    let finished = push.apply(received).await?;
    Ok(HttpResponse::Ok().json(SyncView::new(&vendor_id, &finished)))
}

/// The contract of `POST /api/v1/vendors/{vendor_id}/reports`.
pub(crate) fn push_contract() -> Contract {
    Contract::new("push_report", "vendors", "Push a report")
        .description(
            "Applies a report of a vendor whose setting `source.type` is `push`, and responds when it is applied. The body is \
             read by the same settings as a report that is requested from a vendor (decoding, format, fields, rules); its media \
             type does not matter. `Content-Encoding: gzip` is accepted. The body may be as large as the vendor's setting \
             `decode.max_bytes`, and must arrive within `api.body_timeout` or the vendor's `timeout`, whichever is longer.\n\n\
             The as-of in the document, else `Last-Modified` of the request, proves which shipments the counts include; without \
             either no shipment is included. `Date` corrects the vendor's clock, and proves nothing alone. A report that is older \
             than the applied one is `STALE`. An `Idempotency-Key` is not needed: a report that is pushed again changes nothing, \
             unless another one without an as-of was pushed in between.\n\n\
             A record that the settings do not cover refuses the whole report: the response is 422, `errors` has the first 20 \
             such records, each with its place in `detail`, and the stock is not changed. If the report was applied to some of \
             its products only, the response is 504; repeat the request. A report that arrived completely is applied even if the \
             client disconnects.",
        )
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .document_body("The report, in the format of the vendor's settings.")
        .response(
            200,
            ResponseSpec::json::<SyncView<'_>>("The result of applying the report."),
        )
        .problems(&[ProblemKind::NotFound, ProblemKind::OutcomeUnknown])
}
