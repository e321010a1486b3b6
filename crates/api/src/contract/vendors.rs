//! Vendors and their syncs.

use super::answer::Answer;
use super::parameters::{in_path, paging};
use super::{Contract, schemas};
use crate::list;
use crate::problem::ProblemKind;
use crate::request::body;
use crate::views::vendors::{SyncView, VendorView};

/// Both decisions on a report in quarantine.
fn quarantine(operation: &'static str, summary: &'static str) -> Contract {
    Contract::new(operation, TAG, summary)
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .body(body::contract_of_none())
        .answer(200, Answer::json::<SyncView<'_>>("The result."))
        .problems(&[ProblemKind::NotFound])
}

/// `POST /api/v1/vendors/{vendor_id}/quarantine/accept`.
pub(crate) fn accept_quarantined() -> Contract {
    quarantine("accept_quarantined", "Applies a vendor's quarantined report").description(
        "A full report that is empty after one that was not is quarantined: no count changes until a second empty report \
         of a later request, or this. 404 if no report of the vendor is in quarantine.",
    )
}

/// `POST /api/v1/vendors/{vendor_id}/quarantine/discard`.
pub(crate) fn discard_quarantined() -> Contract {
    quarantine("discard_quarantined", "Drops a vendor's quarantined report").description(
        "The stock stays as it is, and the next empty report is quarantined again. 404 if no report of the vendor is in \
         quarantine.",
    )
}

const TAG: &str = "vendors";

/// `GET /api/v1/vendors`.
pub(crate) fn list() -> Contract {
    let first = ("vendor_id", "$response.body#/items/0/vendor_id");
    let page = list::answer_of::<VendorView<'_>>("The vendors that are configured, by id.").link(
        "sync_first",
        "sync_vendor",
        first,
        "Syncs the first vendor.",
    );
    Contract::new(
        "list_vendors",
        TAG,
        "Lists the vendors, each with its last sync",
    )
    .description(list::DESCRIPTION)
    .parameters(paging())
    .answer(200, page)
}

/// `POST /api/v1/vendors/{vendor_id}/sync`.
pub(crate) fn sync() -> Contract {
    Contract::new("sync_vendor", TAG, "Reads a vendor's report now")
        .description(
            "Responds once the sync is done. If the vendor fails, or its report is older than the one that is applied \
             or is quarantined, its stock stays as it was. A vendor that sent `Retry-After` gets no request before \
             its time: until then this is 502 with the same demand. The longer interval after other failures does not \
             apply here. Those who ask at the same time share a sync. No body is needed; an empty object is \
             taken for none.",
        )
        .parameters([in_path("vendor_id", schemas::vendor_id())])
        .body(body::contract_of_none())
        .answer(200, Answer::json::<SyncView<'_>>("How the sync went."))
        .problems(&[
            ProblemKind::NotFound,
            ProblemKind::VendorUnavailable,
            ProblemKind::OutcomeUnknown,
        ])
}
