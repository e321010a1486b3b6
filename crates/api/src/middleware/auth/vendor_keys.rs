//! Keys of vendors: a key of the role `vendor` pushes the reports of its vendor, and reaches nothing else under `/api`.

use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError as _};
use domain::identifiers::VendorId;

use super::caller::{Caller, Identity};
use super::credentials;
use crate::problem::{Problem, ProblemKind};

/// The response to a caller that may not push reports of the vendor in the path; `None` if it may.
pub(super) fn rejection(
    identity: Option<&Identity>,
    vendor_id: impl FnOnce() -> Option<VendorId>,
) -> Option<HttpResponse> {
    let is_allowed = match identity {
        Some(Ok(Caller::Anonymous)) => true,
        Some(Ok(Caller::Known(known))) => {
            let own = known.key.vendor();
            own.is_some() && own == vendor_id().as_ref()
        }
        Some(Err(reason)) => return Some(credentials::unauthenticated(*reason)),
        None => false,
    };
    (!is_allowed).then(|| {
        forbidden(
            "an API key with the role vendor of the vendor in the path is required",
            r#"Bearer error="insufficient_scope", scope="vendor""#,
        )
    })
}

/// The response to a key of a vendor on a path, as decoded by the router, that is not that of its vendor's reports; `None` for
/// any other caller and path. It is the same for paths that exist and for others, and for every method. `vendor_id` is the
/// vendor in the path.
pub(super) fn confinement(
    caller: &Caller,
    path: &str,
    vendor_id: impl FnOnce() -> Option<VendorId>,
) -> Option<HttpResponse> {
    let Caller::Known(known) = caller else {
        return None;
    };
    let own = known.key.vendor()?;
    let is_own = is_of_reports(path) && vendor_id().as_ref() == Some(own);
    (!is_own).then(|| {
        forbidden(
            "an API key with the role vendor may only push the reports of its vendor: POST /api/v1/vendors/{vendor_id}/reports",
            r#"Bearer error="insufficient_scope""#,
        )
    })
}

/// Whether a path is that of the reports of a vendor, whose id is one segment.
fn is_of_reports(path: &str) -> bool {
    let below = path.strip_prefix("/api/v1/vendors/");
    let vendor_id = below.and_then(|rest| rest.strip_suffix("/reports"));
    vendor_id.is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

fn forbidden(detail: &'static str, challenge: &'static str) -> HttpResponse {
    let mut response = Problem::new(ProblemKind::Forbidden, detail).error_response();
    let challenge = HeaderValue::from_static(challenge);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use api_keys::{ApiKey, Grant, KeyHash, Role};
    use http_access::Unauthenticated;

    use super::*;
    use crate::middleware::auth::caller::KnownKey;

    fn caller(grant: Grant) -> Caller {
        Caller::Known(KnownKey::of(ApiKey {
            name: "a".to_owned(),
            hash: KeyHash::of(b"a"),
            grant,
        }))
    }

    fn vendor(id: &str) -> VendorId {
        VendorId::parse(id).unwrap()
    }

    #[test]
    fn only_the_key_of_the_vendor_in_the_path_may_push() {
        let acme = Ok(caller(Grant::Vendor(vendor("acme"))));
        let operator = Ok(caller(Grant::Roles(vec![Role::Operator])));
        let unknown = Err(Unauthenticated::UnknownKey);
        for (identity, in_path, expected) in [
            (Some(&acme), Some("acme"), None),
            (Some(&acme), Some("globex"), Some(403)),
            (Some(&acme), Some("ACME"), Some(403)),
            (Some(&acme), None, Some(403)),
            (Some(&operator), Some("acme"), Some(403)),
            (Some(&operator), None, Some(403)),
            (Some(&Ok(Caller::Anonymous)), Some("acme"), None),
            (Some(&unknown), Some("acme"), Some(401)),
            (None, Some("acme"), Some(403)),
        ] {
            let response = rejection(identity, || in_path.map(vendor));
            let status = response.map(|response| response.status().as_u16());
            assert_eq!(status, expected, "{identity:?} {in_path:?}");
        }
    }

    #[test]
    fn key_of_a_vendor_is_confined_to_the_path_of_its_reports() {
        let acme = caller(Grant::Vendor(vendor("acme")));
        let own = || Some(vendor("acme"));
        let reports = "/api/v1/vendors/acme/reports";
        assert!(confinement(&acme, reports, own).is_none());
        for other in [None, Some(vendor("globex"))] {
            assert!(confinement(&acme, reports, || other).is_some());
        }
        for path in [
            "/api",
            "/api/v1/orders",
            "/api/v1/vendors/acme/sync",
            "/api/v1/stock/reports",
            "/api/v1/vendors/reports",
            "/api/v1/vendors//reports",
            "/api/v1/vendors/acme/b/reports",
            "/api/v1/vendors/acme/reports/",
        ] {
            assert!(confinement(&acme, path, own).is_some(), "{path}");
            let operator = caller(Grant::Roles(vec![Role::Operator]));
            for other in [operator, Caller::Anonymous] {
                assert!(confinement(&other, path, own).is_none(), "{path}");
            }
        }
    }
}
