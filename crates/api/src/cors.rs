//! Which web pages may call the API from a browser (CORS). It stands before authentication: a browser sends no key with the
//! question whether it may send one.

use actix_cors::{Cors, CorsError};
use actix_web::Error;
use actix_web::ResponseError as _;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{Condition, Next};

use crate::problem::Problem;

/// For how long a browser may keep an answer to its question, in seconds; browsers keep it for two hours at most.
const MAX_AGE_S: usize = 3_600;

/// What is sent to the API beyond what browsers always allow.
const REQUEST_HEADERS: [&str; 9] = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-Request-Id",
];

/// What a page needs of an answer, beyond what browsers always show.
const ANSWER_HEADERS: [&str; 11] = [
    "Allow",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// Answers browsers for pages of these origins; without any, it is not there at all.
pub(crate) fn cors(origins: &[String]) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PATCH"])
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(ANSWER_HEADERS)
        .max_age(MAX_AGE_S);
    let cors = origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin));
    Condition::new(!origins.is_empty(), cors)
}

/// Says as this service says it why a browser's question was answered with no.
pub(crate) async fn explain_refusals<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = next.call(request).await?;
    let refused = response.response().error();
    let Some(error) = refused.and_then(|error| error.as_error::<CorsError>()) else {
        return Ok(response.map_into_left_body());
    };
    let mut answer = Problem::malformed(format!("CORS: {error}")).error_response();
    let vary = header::HeaderValue::from_static("Origin");
    answer.headers_mut().insert(header::VARY, vary);
    Ok(response.into_response(answer).map_into_right_body())
}
