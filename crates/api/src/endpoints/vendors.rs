//! Vendors over HTTP: configured vendors and their last sync, syncs on demand, and quarantined reports.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use domain::identifiers::VendorId;
use domain::ports::{StoreError, StoredPause, VendorStatus};
use domain::services::QuarantineDecision;

use super::vendor_request;
use crate::cursor::CursorScope;
use crate::list::{self, List, NextPage};
use crate::openapi::parameters::{in_path, paging};
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::body;
use crate::request::query::Query;
use crate::state::AppState;
use crate::vendors::VendorRules;
use crate::views::vendors::{SyncView, VendorView};

const TAG: &str = "vendors";

const LIST: &str = "/api/v1/vendors";

/// `GET /api/v1/vendors`.
pub(crate) async fn list(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(&request, &["limit", "cursor"])?;
    let scope = CursorScope::vendors();
    list::respond(&request, &query, VendorList { state, scope }).await
}

/// The contract of `GET /api/v1/vendors`.
pub(crate) fn list_contract() -> Contract {
    let first = ("vendor_id", "$response.body#/items/0/vendor_id");
    let page = list::response_of::<VendorView<'_>>("The configured vendors, by id.").link(
        "sync_first",
        "sync_vendor",
        first,
        "Sync the first vendor.",
    );
    Contract::new("list_vendors", TAG, "List vendors")
        .description(list::DESCRIPTION)
        .parameters(paging())
        .response(200, page)
}

/// Vendors by id.
struct VendorList {
    state: Data<AppState>,
    scope: CursorScope,
}

/// A configured vendor, with its status in the store.
struct ListedVendor {
    vendor_id: VendorId,
    rules: VendorRules,
    status: Option<VendorStatus>,
    /// `None` if the last sync did not fail and no operator has paused the vendor.
    pause: Option<StoredPause>,
}

impl List for VendorList {
    type Item = ListedVendor;
    type Key = VendorId;
    type View<'a> = VendorView<'a>;

    async fn read(
        &self,
        after: Option<VendorId>,
        limit: u32,
    ) -> Result<Vec<ListedVendor>, StoreError> {
        let vendors = &self.state.vendors;
        let page = vendors.after(after.as_ref(), limit).await?;
        let ids: Vec<VendorId> = page.iter().map(|(id, ..)| id.clone()).collect();
        let mut known = vendors.queries.find_vendors(&ids).await?;
        let mut pauses = vendors.pauses(&ids).await?;
        let listed = page.into_iter().map(|(vendor_id, rules)| {
            let at = known.iter().position(|it| it.vendor_id == vendor_id);
            ListedVendor {
                pause: pauses.remove(&vendor_id),
                vendor_id,
                rules,
                status: at.map(|at| known.swap_remove(at)),
            }
        });
        Ok(listed.collect())
    }

    fn parse_cursor(&self, cursor: &str) -> Result<VendorId, Problem> {
        self.scope.parse_vendor(cursor)
    }

    fn key(vendor: &ListedVendor) -> VendorId {
        vendor.vendor_id.clone()
    }

    fn view(vendor: &ListedVendor) -> VendorView<'_> {
        VendorView::new(&vendor.vendor_id, &vendor.rules, vendor.status.as_ref())
            .with_pause(vendor.pause.as_ref())
    }

    fn page_after(&self, id: &VendorId, limit: u32) -> NextPage {
        NextPage::new(LIST, limit, self.scope.after_vendor(id))
    }
}

/// `POST /api/v1/vendors/{vendor_id}/sync`.
pub(crate) async fn sync(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let vendor_id = vendor_request::vendor_without_body(&state, &request, payload).await?;
    let finished = state.vendors.sync(&vendor_id).await?;
    Ok(HttpResponse::Ok().json(SyncView::new(&vendor_id, &finished)))
}

/// The contract of `POST /api/v1/vendors/{vendor_id}/sync`.
pub(crate) fn sync_contract() -> Contract {
    Contract::new("sync_vendor", TAG, "Sync a vendor")
        .description(
            "Reads the vendor's report and responds when the sync is finished. The stock is not changed if the vendor \
             fails, or if its report is quarantined or older than the applied one. A vendor that sent `Retry-After` is not read \
             before that time: until then the response is 502 with the remaining `Retry-After`. The backoff after other \
             failures and an operator's pause do not apply. If the report was applied to some of its products only, the response is 504; repeat \
             the request. Concurrent requests share a sync. No body is required; \
             an empty object is accepted.",
        )
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .body(body::contract_of_none())
        .response(200, ResponseSpec::json::<SyncView<'_>>("The result of the sync."))
        .problems(&[
            ProblemKind::NotFound,
            ProblemKind::VendorUnavailable,
            ProblemKind::OutcomeUnknown,
        ])
}

/// `POST /api/v1/vendors/{vendor_id}/quarantine/accept`.
pub(crate) async fn accept_quarantined(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    resolve_quarantine(state, request, payload, QuarantineDecision::Accept).await
}

/// `POST /api/v1/vendors/{vendor_id}/quarantine/discard`.
pub(crate) async fn discard_quarantined(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    resolve_quarantine(state, request, payload, QuarantineDecision::Discard).await
}

async fn resolve_quarantine(
    state: Data<AppState>,
    request: HttpRequest,
    payload: Payload,
    decision: QuarantineDecision,
) -> Result<HttpResponse, Problem> {
    let vendor_id = vendor_request::vendor_without_body(&state, &request, payload).await?;
    let result = state
        .vendors
        .resolve_quarantine(&vendor_id, decision)
        .await?;
    Ok(HttpResponse::Ok().json(SyncView::new(&vendor_id, &result)))
}

/// The contract of `POST /api/v1/vendors/{vendor_id}/quarantine/accept`.
pub(crate) fn accept_quarantined_contract() -> Contract {
    quarantine_contract("accept_quarantined", "Accept a quarantined report").description(
        "A report that takes away more than the vendor's guard allows is quarantined, and so is an empty full report that \
         follows a non-empty one: no count changes until a later report agrees with it, or an operator accepts it. It is \
         applied with its own time, also if the client disconnects. Returns 404 if the vendor has no quarantined report, and \
         504 if the report was applied to some of its products only, or was discarded meanwhile; repeat the request.",
    )
}

/// The contract of `POST /api/v1/vendors/{vendor_id}/quarantine/discard`.
pub(crate) fn discard_quarantined_contract() -> Contract {
    quarantine_contract("discard_quarantined", "Discard a quarantined report").description(
        "The stock is not changed, and the next report that exceeds the guard is quarantined again. A report that is being \
         accepted is applied to no further products. The status of the result stays `QUARANTINED`, and `error` states that the \
         report was discarded. Returns 404 if the vendor has no quarantined report.",
    )
}

/// The contract of accepting or discarding a quarantined report.
fn quarantine_contract(operation: &'static str, summary: &'static str) -> Contract {
    Contract::new(operation, TAG, summary)
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .body(body::contract_of_none())
        .response(200, ResponseSpec::json::<SyncView<'_>>("The result."))
        .problems(&[ProblemKind::NotFound, ProblemKind::OutcomeUnknown])
}
