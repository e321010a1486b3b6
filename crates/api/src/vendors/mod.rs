//! Vendors over HTTP: configured vendors and their last sync, syncs on demand, and quarantined reports.

mod configured;
mod single_flight;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use domain::identifiers::VendorId;
use domain::ports::{StoreError, StoredPause, VendorStatus};
use domain::services::QuarantineDecision;

use crate::cursor::CursorScope;
use crate::list::{self, List, NextPage};
use crate::problem::Problem;
use crate::request::query::Query;
use crate::request::{body, path};
use crate::state::AppState;
use crate::views::vendors::{SyncView, VendorView};

pub(crate) use configured::VendorRules;
pub use configured::Vendors;

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
    /// `None` if the last sync did not fail.
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
    state.refuse_while_shutting_down()?;
    Query::refuse_any(&request)?;
    let vendor_id = path::vendor_id(&request)?;
    body::read_none(&request, payload).await?;
    let finished = state.vendors.sync(&vendor_id).await?;
    Ok(HttpResponse::Ok().json(SyncView::new(&vendor_id, &finished)))
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
    state.refuse_while_shutting_down()?;
    Query::refuse_any(&request)?;
    let vendor_id = path::vendor_id(&request)?;
    body::read_none(&request, payload).await?;
    let result = state
        .vendors
        .resolve_quarantine(&vendor_id, decision)
        .await?;
    Ok(HttpResponse::Ok().json(SyncView::new(&vendor_id, &result)))
}
