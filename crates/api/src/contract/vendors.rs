//! Contracts of the vendor endpoints.

use super::parameters::{in_path, paging};
use super::response::ResponseSpec;
use super::{Contract, schemas};
use crate::list;
use crate::problem::ProblemKind;
use crate::request::body;
use crate::views::vendors::{SyncView, VendorView};

/// The contract of accepting or discarding a quarantined report.
fn quarantine(operation: &'static str, summary: &'static str) -> Contract {
    Contract::new(operation, TAG, summary)
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .body(body::contract_of_none())
        .response(200, ResponseSpec::json::<SyncView<'_>>("The result."))
        .problems(&[ProblemKind::NotFound])
}

/// `POST /api/v1/vendors/{vendor_id}/quarantine/accept`.
pub(crate) fn accept_quarantined() -> Contract {
    quarantine("accept_quarantined", "Accept a quarantined report").description(
        "An empty full report that follows a non-empty one is quarantined: no count changes until a later request returns \
         an empty report again, or an operator accepts the report. Returns 404 if the vendor has no quarantined report.",
    )
}

/// `POST /api/v1/vendors/{vendor_id}/quarantine/discard`.
pub(crate) fn discard_quarantined() -> Contract {
    quarantine("discard_quarantined", "Discard a quarantined report").description(
        "The stock is not changed, and the next empty report is quarantined again. Returns 404 if the vendor has no \
         quarantined report.",
    )
}

const TAG: &str = "vendors";

/// `GET /api/v1/vendors`.
pub(crate) fn list() -> Contract {
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

/// `POST /api/v1/vendors/{vendor_id}/sync`.
pub(crate) fn sync() -> Contract {
    Contract::new("sync_vendor", TAG, "Sync a vendor")
        .description(
            "Reads the vendor's report and responds when the sync is finished. The stock is not changed if the vendor \
             fails, or if its report is quarantined or older than the applied one. A vendor that sent `Retry-After` is not read \
             before that time: until then the response is 502 with the remaining `Retry-After`. The backoff after other \
             failures does not apply. Concurrent requests share a sync. No body is required; an empty object is \
             accepted.",
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
