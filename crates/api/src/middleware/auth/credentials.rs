//! The response to an unauthenticated request.

use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError as _};
use http_access::Unauthenticated;

use crate::problem::{Problem, ProblemKind};

/// 401 with a `WWW-Authenticate` challenge.
pub(crate) fn unauthenticated(reason: Unauthenticated) -> HttpResponse {
    let problem = Problem::new(ProblemKind::Unauthenticated, reason.detail());
    let mut response = problem.error_response();
    let challenge = HeaderValue::from_static(reason.challenge());
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
