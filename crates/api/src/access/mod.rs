//! Who may do what: every endpoint says which access it needs, and every request is asked who sends it.
//!
//! Two places hold the rule. `gate` stands before everything else: it finds out who calls, and lets nobody without a key see
//! anything under `/api`, not even whether a path exists. `permit` stands before each single handler: it looks whether that
//! caller has the role. What `gate` has not looked at, `permit` refuses.

mod caller;
mod credentials;
mod gate;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpResponse, ResponseError as _};
use api_keys::Role;

pub(crate) use caller::Caller;
use caller::Identity;
pub(crate) use gate::{Gate, admit};

use crate::problem::{Problem, ProblemKind};

/// What a handler asks of its callers, where there are API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing. Under `/api` a key is needed all the same.
    Open,
    /// A key with this role.
    Role(Role),
}

impl Access {
    pub(crate) const CUSTOMER: Self = Self::Role(Role::Customer);
    pub(crate) const OPERATOR: Self = Self::Role(Role::Operator);

    /// The answer for whom it is not enough.
    fn refusal(self, identity: Option<&Identity>) -> Option<HttpResponse> {
        let Self::Role(role) = self else {
            return None;
        };
        match identity {
            Some(Ok(caller)) => (!caller.has(role)).then(|| forbidden(role)),
            Some(Err(reason)) => Some(credentials::unauthenticated(*reason)),
            None => Some(forbidden(role)),
        }
    }
}

/// Lets those requests through to one handler that may have its answer.
pub(crate) async fn permit(
    access: Access,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let refusal = access.refusal(request.extensions().get::<Identity>());
    match refusal {
        None => next.call(request).await,
        Some(answer) => Ok(request.into_response(answer)),
    }
}

fn forbidden(role: Role) -> HttpResponse {
    let detail = format!("this needs an API key with the role {role}");
    let mut answer = Problem::new(ProblemKind::Forbidden, detail).error_response();
    // RFC 6750, section 3.1.
    let challenge = match role {
        Role::Customer => r#"Bearer error="insufficient_scope", scope="customer""#,
        Role::Operator => r#"Bearer error="insufficient_scope", scope="operator""#,
    };
    let challenge = HeaderValue::from_static(challenge);
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    answer
}

#[cfg(test)]
mod tests {
    use api_keys::{ApiKey, KeyHash};
    use http_access::Unauthenticated;

    use super::*;
    use crate::access::caller::KnownKey;

    fn with_roles(roles: &[Role]) -> Caller {
        Caller::Known(KnownKey::of(ApiKey {
            name: "a".to_owned(),
            hash: KeyHash::of(b"a"),
            roles: roles.to_vec(),
        }))
    }

    fn status(access: Access, identity: Option<&Identity>) -> u16 {
        access
            .refusal(identity)
            .map_or(200, |answer| answer.status().as_u16())
    }

    #[test]
    fn a_handler_is_reached_by_who_has_its_role() {
        let customer = with_roles(&[Role::Customer]);
        let operator = with_roles(&[Role::Operator]);
        let nothing = with_roles(&[]);
        for (caller, open, as_customer, as_operator) in [
            (customer, 200, 200, 403),
            (operator, 200, 200, 200),
            (nothing, 200, 403, 403),
            (Caller::Anyone, 200, 200, 200),
        ] {
            let identity = &Ok(caller);
            let identity = Some(identity);
            assert_eq!(status(Access::Open, identity), open);
            assert_eq!(status(Access::CUSTOMER, identity), as_customer);
            assert_eq!(status(Access::OPERATOR, identity), as_operator);
        }
    }

    /// As for a page outside `/api`, before which the gate refuses nobody.
    #[test]
    fn who_is_not_known_is_asked_for_a_key() {
        for reason in [
            Unauthenticated::NoKey,
            Unauthenticated::Malformed,
            Unauthenticated::WrongKey,
        ] {
            let identity = Err(reason);
            assert_eq!(status(Access::Open, Some(&identity)), 200);
            assert_eq!(status(Access::OPERATOR, Some(&identity)), 401);
        }
    }

    #[test]
    fn a_request_that_nobody_has_looked_at_is_refused() {
        assert_eq!(status(Access::CUSTOMER, None), 403);
        assert_eq!(status(Access::OPERATOR, None), 403);
        assert_eq!(status(Access::Open, None), 200);
    }
}
