//! The response to a request of which it is not known who sends it.

use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError as _};
use http_access::Unauthenticated;

use crate::problem::{Problem, ProblemKind};

/// 401, with the challenge that says what would be enough.
pub(crate) fn unauthenticated(reason: Unauthenticated) -> HttpResponse {
    let problem = Problem::new(ProblemKind::Unauthenticated, reason.detail());
    let mut response = problem.error_response();
    let challenge = HeaderValue::from_static(reason.challenge());
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}
