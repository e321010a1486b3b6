//! Vendors and their syncs.

use super::answer::Answer;
use super::parameters::{in_path, paging};
use super::{Contract, schemas};
use crate::list;
use crate::problem::ProblemKind;
use crate::request::body;
use crate::views::vendors::{SyncView, VendorView};

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
            "Answers once the sync is done. If the vendor fails, its stock stays as it was. \
             Those who ask at the same time share a sync. No body is needed; an empty object is \
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
