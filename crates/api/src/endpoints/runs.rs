//! The runs of a vendor over HTTP.

use std::sync::Arc;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use domain::identifiers::VendorId;
use domain::ports::{Run, RunId, RunQueries, StoreError};

use crate::cursor::CursorScope;
use crate::list::{self, List, NextPage};
use crate::openapi::parameters::{in_path, paging};
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::query::Query;
use crate::request::{path, url_text};
use crate::state::AppState;
use crate::views::runs::RunView;

const TAG: &str = "vendors";

/// `GET /api/v1/vendors/{vendor_id}/runs`.
pub(crate) async fn list(
    state: Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query = Query::parse(&request, &["limit", "cursor"])?;
    let vendor_id = path::vendor_id(&request)?;
    if !state.vendors.is_known(&vendor_id).await? {
        return Err(Problem::not_found("vendor not found"));
    }
    let runs = RunList {
        runs: Arc::clone(&state.runs),
        scope: CursorScope::runs(&vendor_id),
        vendor_id,
    };
    list::respond(&request, &query, runs).await
}

/// The contract of `GET /api/v1/vendors/{vendor_id}/runs`.
pub(crate) fn list_contract() -> Contract {
    let page = list::response_of::<RunView<'_>>("The runs of the vendor, newest first.");
    Contract::new("list_runs", TAG, "List the runs of a vendor")
        .description(
            "A run is a sync that has ended, scheduled or on demand, or an operator's decision on a quarantined report. Only \
             the newest runs of each vendor are kept. Returns one page; with `Accept: application/x-ndjson`, all runs that \
             are kept as JSON lines. Returns 404 for a vendor that was never configured.",
        )
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .parameters(paging())
        .response(200, page)
        .problems(&[ProblemKind::NotFound])
}

/// The runs of a vendor, newest first.
struct RunList {
    runs: Arc<dyn RunQueries>,
    vendor_id: VendorId,
    scope: CursorScope,
}

impl List for RunList {
    type Item = Run;
    type Key = RunId;
    type View<'a> = RunView<'a>;

    async fn read(&self, after: Option<RunId>, limit: u32) -> Result<Vec<Run>, StoreError> {
        self.runs.list_runs(&self.vendor_id, after, limit).await
    }

    fn parse_cursor(&self, cursor: &str) -> Result<RunId, Problem> {
        self.scope.parse_run(cursor)
    }

    fn key(run: &Run) -> RunId {
        run.id
    }

    fn view(run: &Run) -> RunView<'_> {
        RunView::from(run)
    }

    fn page_after(&self, id: &RunId, limit: u32) -> NextPage {
        let vendor_id = url_text::encode(self.vendor_id.as_str());
        let path = format!("/api/v1/vendors/{vendor_id}/runs");
        NextPage::new(&path, limit, self.scope.after_run(*id))
    }
}
