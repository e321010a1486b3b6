//! The pages behind the `type` URIs of problems.

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};

use crate::problem::{Problem, ProblemKind};
use crate::request::path;

/// `GET /problems/{slug}`.
pub(crate) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let slug = path::segment(&request)?;
    let kind = ProblemKind::ALL
        .iter()
        .copied()
        .find(|kind| kind.slug() == slug)
        .ok_or_else(|| Problem::not_found("no problem has this name"))?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(page(kind)))
}

fn page(kind: ProblemKind) -> String {
    let (meaning, remedy) = explanation(kind);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n\
         <h1>{title}</h1>\n<p><code>{slug}</code>, HTTP status {status}</p>\n\
         <h2>What it means</h2>\n<p>{meaning}</p>\n<h2>What to do</h2>\n<p>{remedy}</p>\n</body>\n</html>\n",
        title = kind.title(),
        slug = kind.slug(),
        status = kind.status().as_u16(),
    )
}

/// What a problem means, and what to do about it.
fn explanation(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::MalformedRequest => (
            "The body is not JSON in UTF-8, a query parameter, a path segment or a header does not parse, or a cursor \
             was not issued by this service for this list. Nothing was recorded.",
            "Correct what <code>detail</code> names. Repeating the same request fails again.",
        ),
        ProblemKind::Unauthenticated => (
            "This service is set up with API keys, and the request has none that it knows. Nothing was looked at.",
            "Send a key that the operator of the service gave you, as <code>Authorization: Bearer &lt;key&gt;</code>.",
        ),
        ProblemKind::Forbidden => (
            "The API key is known, but lacks the role that this request needs; or, where there are no API keys, a web page of \
             another origin sent a request that would change something.",
            "Use a key with the role, or ask the operator of the service for it.",
        ),
        ProblemKind::NotFound => (
            "No order, product, vendor or path has this name.",
            "Check the path. A product is known once a vendor has reported it.",
        ),
        ProblemKind::MethodNotAllowed => (
            "The path exists, but not with this method.",
            "Use one of the methods in the <code>Allow</code> header.",
        ),
        ProblemKind::RequestTimeout => (
            "The request's body did not arrive in time. Nothing was recorded, and the connection is closed.",
            "Repeat the request, and send the body without pauses.",
        ),
        ProblemKind::IllegalTransition => (
            "Orders move from PENDING to CONFIRMED, REJECTED or CANCELLED, from CONFIRMED to SHIPPED or CANCELLED, and \
             from SHIPPED to DELIVERED. Only settlement confirms an order. Nothing was changed.",
            "Read the order and decide again from the status that it has now.",
        ),
        ProblemKind::PreconditionFailed => (
            "The order was changed after you read it: <code>If-Match</code> names another version.",
            "Read the order again, and repeat the request with its new <code>ETag</code> if it still makes sense.",
        ),
        ProblemKind::PayloadTooLarge => (
            "The body is larger than this path accepts. Nothing was recorded.",
            "Send less at a time.",
        ),
        ProblemKind::UnsupportedMediaType => (
            "The body is not declared as JSON in UTF-8 without compression. Nothing was recorded.",
            "Send <code>Content-Type: application/json</code>.",
        ),
        ProblemKind::MisdirectedRequest => (
            "This service has no API keys, so it serves only requests that name its own machine: a web page could otherwise \
             reach it under a name of its own (DNS rebinding). Nothing was looked at.",
            "Use <code>http://localhost</code>, <code>http://127.0.0.1</code> or <code>http://[::1]</code> with the \
             service's port, or ask the operator of the service to add the host to the setting \
             <code>api.allowed_hosts</code>.",
        ),
        ProblemKind::ValidationFailed => (
            "The body is JSON, but a member is missing, unknown, of the wrong type or out of range.",
            "Correct each member that <code>errors</code> points at.",
        ),
        ProblemKind::IdempotencyKeyReused => (
            "The <code>Idempotency-Key</code> was used before, for another product or quantity. Nothing was recorded.",
            "Use a new key for each new order, and an old one only to repeat the same request.",
        ),
        ProblemKind::RateLimited => (
            "More requests arrived than are allowed. This one was not looked at.",
            "Wait as long as <code>Retry-After</code> says, then repeat the request. <code>RateLimit-Policy</code> and \
             <code>RateLimit</code> on every answer tell how much is allowed (<code>q</code> requests in <code>w</code> \
             seconds) and how much is left (<code>r</code>).",
        ),
        ProblemKind::VendorUnavailable => (
            "The vendor could not be reached, or its answer is not a report. Its stock was not touched.",
            "Try again later, after the time that <code>Retry-After</code> gives if there is one: the vendor demands it. The \
             vendor's last sync has the cause.",
        ),
        ProblemKind::Unavailable => (
            "The store cannot be reached, the service is busy, or it is shutting down.",
            "Repeat the request after the time that <code>Retry-After</code> gives. With an \
             <code>Idempotency-Key</code> a repeated order is taken only once.",
        ),
        ProblemKind::OutcomeUnknown => (
            "The request was sent to the store, and no outcome came back in time, or the store said that it may not be \
             durable. The order may exist, or may still come to exist; a status may have changed.",
            "Repeat the request with the same <code>Idempotency-Key</code>: it is one order however often it is sent. \
             Without a key, look for the order in the list before placing it again. After a status change, read the \
             order.",
        ),
    }
}
