//! Authentication and authorization: every endpoint declares its access, and every request is authenticated.
//!
//! The rule is applied in two places. `authenticator` runs before routing: it identifies the caller, and without a valid key
//! rejects every request under `/api`, so that not even the existence of a path is revealed. `authorize` runs before each
//! handler and checks the caller's role. It rejects requests that `authenticator` has not processed.

mod authenticator;
mod caller;
mod credentials;
mod vendor_keys;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use api_keys::Role;
use domain::identifiers::VendorId;

pub(crate) use authenticator::{Authenticator, authenticate};
pub(crate) use caller::Caller;
use caller::Identity;

use crate::problem::{Problem, ProblemKind};
use crate::request::path;

/// The access that a handler requires if API keys are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// No role. Under `/api` a key is still required.
    Open,
    /// A key with this role.
    Role(Role),
    /// The key of the vendor in the path.
    VendorInPath,
}

impl Access {
    pub(crate) const CUSTOMER: Self = Self::Role(Role::Customer);
    pub(crate) const OPERATOR: Self = Self::Role(Role::Operator);

    /// The response to a caller without this access; `None` if the caller has it. `vendor_id` is the vendor in the path.
    fn rejection(
        self,
        identity: Option<&Identity>,
        vendor_id: impl FnOnce() -> Option<VendorId>,
    ) -> Option<HttpResponse> {
        let role = match self {
            Self::Open => return None,
            Self::Role(role) => role,
            Self::VendorInPath => return vendor_keys::rejection(identity, vendor_id),
        };
        match identity {
            Some(Ok(caller)) => (!caller.has(role)).then(|| forbidden(role)),
            Some(Err(reason)) => Some(credentials::unauthenticated(*reason)),
            None => Some(forbidden(role)),
        }
    }
}

/// Passes a request to the handler if its caller has the access.
pub(crate) async fn authorize(
    access: Access,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let vendor_id = || path::vendor_id(request.request()).ok();
    let rejection = access.rejection(request.extensions().get::<Identity>(), vendor_id);
    match rejection {
        None => next.call(request).await,
        Some(response) => Ok(request.into_response(response)),
    }
}

fn forbidden(role: Role) -> HttpResponse {
    let detail = format!("an API key with the role {role} is required");
    let mut response = Problem::new(ProblemKind::Forbidden, detail).error_response();
    // RFC 6750, section 3.1.
    let challenge = match role {
        Role::Customer => r#"Bearer error="insufficient_scope", scope="customer""#,
        Role::Operator => r#"Bearer error="insufficient_scope", scope="operator""#,
    };
    let challenge = HeaderValue::from_static(challenge);
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use api_keys::{ApiKey, Grant, KeyHash};
    use http_access::Unauthenticated;

    use super::*;
    use crate::middleware::auth::caller::KnownKey;

    fn with_roles(roles: &[Role]) -> Caller {
        Caller::Known(KnownKey::of(ApiKey {
            name: "a".to_owned(),
            hash: KeyHash::of(b"a"),
            grant: Grant::Roles(roles.to_vec()),
        }))
    }

    fn status(access: Access, identity: Option<&Identity>) -> u16 {
        access
            .rejection(identity, || None)
            .map_or(200, |response| response.status().as_u16())
    }

    #[test]
    fn handler_is_reached_only_with_its_role() {
        let customer = with_roles(&[Role::Customer]);
        let operator = with_roles(&[Role::Operator]);
        let no_role = with_roles(&[]);
        for (caller, open, as_customer, as_operator) in [
            (customer, 200, 200, 403),
            (operator, 200, 200, 200),
            (no_role, 200, 403, 403),
            (Caller::Anonymous, 200, 200, 200),
        ] {
            let identity = &Ok(caller);
            let identity = Some(identity);
            assert_eq!(status(Access::Open, identity), open);
            assert_eq!(status(Access::CUSTOMER, identity), as_customer);
            assert_eq!(status(Access::OPERATOR, identity), as_operator);
        }
    }

    /// As for a page outside `/api`, where `authenticator` rejects no request.
    #[test]
    fn unauthenticated_caller_gets_401_where_a_role_is_required() {
        for reason in [
            Unauthenticated::NoKey,
            Unauthenticated::Malformed,
            Unauthenticated::UnknownKey,
        ] {
            let identity = Err(reason);
            assert_eq!(status(Access::Open, Some(&identity)), 200);
            assert_eq!(status(Access::OPERATOR, Some(&identity)), 401);
        }
    }

    #[test]
    fn request_without_an_identity_is_forbidden() {
        assert_eq!(status(Access::CUSTOMER, None), 403);
        assert_eq!(status(Access::OPERATOR, None), 403);
        assert_eq!(status(Access::Open, None), 200);
    }
}
