//! Cross-origin requests from browsers (CORS). Runs before authentication, because a browser sends no API key with a
//! preflight request.

use actix_cors::{Cors, CorsError};
use actix_web::Error;
use actix_web::ResponseError as _;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{Condition, Next};

use crate::problem::Problem;

/// The time that a browser may cache a preflight response, in seconds. Browsers cap it at two hours.
const MAX_AGE_S: usize = 3_600;

/// Request headers of the API, beyond those that browsers always allow.
const REQUEST_HEADERS: [&str; 11] = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "Traceparent",
    "Tracestate",
    "X-Request-Id",
];

/// Response headers that pages may read, beyond those that browsers always expose.
const RESPONSE_HEADERS: [&str; 11] = [
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

/// The middleware for these origins; disabled if there are none.
pub(crate) fn cors(origins: &[String]) -> Condition<Cors> {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PATCH"])
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(RESPONSE_HEADERS)
        .max_age(MAX_AGE_S);
    let cors = origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin));
    Condition::new(!origins.is_empty(), cors)
}

/// Converts CORS rejections to problems.
pub(crate) async fn render_rejections<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let response = next.call(request).await?;
    let error = response.response().error();
    let Some(error) = error.and_then(|error| error.as_error::<CorsError>()) else {
        return Ok(response.map_into_left_body());
    };
    let mut rejection = Problem::malformed(format!("CORS: {error}")).error_response();
    let vary = header::HeaderValue::from_static("Origin");
    rejection.headers_mut().insert(header::VARY, vary);
    Ok(response.into_response(rejection).map_into_right_body())
}
