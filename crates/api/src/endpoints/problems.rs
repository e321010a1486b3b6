//! The pages at the `type` URIs of problems.

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use crate::openapi::parameters::in_path;
use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::problem::{Problem, ProblemKind};
use crate::request::path;

/// `GET /problems/{slug}`.
pub(crate) async fn show(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let slug = path::segment(&request)?;
    let kind = ProblemKind::ALL
        .iter()
        .copied()
        .find(|kind| kind.slug() == slug)
        .ok_or_else(|| Problem::not_found("no such problem"))?;
    Ok(HttpResponse::Ok()
        .content_type(ContentType::html())
        .body(page(kind)))
}

/// The contract of `GET /problems/{slug}`.
pub(crate) fn show_contract() -> Contract {
    let slug = schemas::string().examples([json!("not-found")]);
    Contract::new(
        "show_problem",
        "service",
        "Get the description of a problem",
    )
    .description("Returns a page that explains the cause of a problem and its resolution. The `type` of a problem is its path.")
    .parameters([in_path("slug", slug)])
    .response(200, ResponseSpec::html("The page."))
    .problems(&[ProblemKind::MalformedRequest, ProblemKind::NotFound])
}

fn page(kind: ProblemKind) -> String {
    let (cause, resolution) = explanation(kind);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n\
         <h1>{title}</h1>\n<p><code>{slug}</code>, HTTP status {status}</p>\n\
         <h2>Cause</h2>\n<p>{cause}</p>\n<h2>Resolution</h2>\n<p>{resolution}</p>\n</body>\n</html>\n",
        title = kind.title(),
        slug = kind.slug(),
        status = kind.status().as_u16(),
    )
}

/// The cause of a problem, and its resolution, in HTML.
fn explanation(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::MalformedRequest => (
            "The body is not JSON in UTF-8, a query parameter, path segment or header cannot be parsed, or a cursor was not \
             issued by this service for this list. Nothing was recorded.",
            "Correct the part of the request that <code>detail</code> names. Retrying the same request fails again.",
        ),
        ProblemKind::Unauthenticated => (
            "The service is configured with API keys, and the request has no valid key. It was not processed.",
            "Send a key issued by the operator of the service, as <code>Authorization: Bearer &lt;key&gt;</code>.",
        ),
        ProblemKind::Forbidden => (
            "The API key is valid, but lacks the required role; or no API keys are configured, and a web page of another \
             origin sent a request that is not safe.",
            "Use a key with the required role, or ask the operator of the service for it.",
        ),
        ProblemKind::NotFound => (
            "The order, product, vendor or path does not exist.",
            "Check the path. A product exists once a vendor has reported it.",
        ),
        ProblemKind::MethodNotAllowed => (
            "The path exists, but does not support the method.",
            "Use one of the methods in the <code>Allow</code> header.",
        ),
        ProblemKind::RequestTimeout => (
            "The request body did not arrive in time. Nothing was recorded, and the connection is closed.",
            "Retry the request, and send the body without pauses.",
        ),
        ProblemKind::IllegalTransition => (
            "Orders move from PENDING to CONFIRMED, REJECTED or CANCELLED, from CONFIRMED to SHIPPED or CANCELLED, and \
             from SHIPPED to DELIVERED. Only settlement confirms an order. Nothing was changed.",
            "Read the order, and decide again based on its current status.",
        ),
        ProblemKind::PreconditionFailed => (
            "The order was changed after you read it: <code>If-Match</code> does not list its current version. Nothing was \
             changed.",
            "Read the order again, and retry the request with the new <code>ETag</code> if it is still applicable.",
        ),
        ProblemKind::PayloadTooLarge => (
            "The body exceeds the size limit of the path. Nothing was recorded.",
            "Send smaller requests.",
        ),
        ProblemKind::UnsupportedMediaType => (
            "The body is not declared as uncompressed JSON in UTF-8, or a pushed report has another \
             <code>Content-Encoding</code> than gzip. Nothing was recorded.",
            "Send <code>Content-Type: application/json</code>; a report may have any type, and be compressed with gzip.",
        ),
        ProblemKind::MisdirectedRequest => (
            "The service has no API keys, so it serves only requests to its own machine: otherwise a web page could reach \
             it under the page's own host name (DNS rebinding). The request was not processed.",
            "Use <code>http://localhost</code>, <code>http://127.0.0.1</code> or <code>http://[::1]</code> with the \
             service's port, or ask the operator of the service to add the host to the setting \
             <code>api.allowed_hosts</code>.",
        ),
        ProblemKind::ValidationFailed => (
            "The body is JSON, but a member is missing, unknown, of the wrong type or out of range; or a pushed report is \
             malformed, or has records that the vendor's settings do not cover.",
            "Correct each member or record listed in <code>errors</code>, which has at most 20 records of a report.",
        ),
        ProblemKind::IdempotencyKeyReused => (
            "The <code>Idempotency-Key</code> was already used for another product or quantity. Nothing was recorded.",
            "Use a new key for each new order, and reuse a key only to retry the same request.",
        ),
        ProblemKind::RateLimited => (
            "The caller exceeded its rate limit. The request was not processed.",
            "Wait for the time given in <code>Retry-After</code>, then retry the request. The headers \
             <code>RateLimit-Policy</code> and <code>RateLimit</code> of every response give the limit (<code>q</code> \
             requests per <code>w</code> seconds) and the remaining requests (<code>r</code>).",
        ),
        ProblemKind::VendorUnavailable => (
            "The vendor could not be reached, or its response is not a valid report. Its stock was not changed.",
            "Retry later, after the time given in <code>Retry-After</code> if the vendor sent one. The vendor's last sync \
             contains the cause.",
        ),
        ProblemKind::Unavailable => (
            "The store cannot be reached, or the service is overloaded or shutting down.",
            "Retry the request after the time given in <code>Retry-After</code>. With an <code>Idempotency-Key</code>, a \
             retried order is accepted only once.",
        ),
        ProblemKind::OutcomeUnknown => (
            "The request was sent to the store, but the store did not confirm the outcome in time, or could not confirm that \
             it is durable. The order may exist or may still be created; a status may have been changed.",
            "Retry the request with the same <code>Idempotency-Key</code>: it creates one order, however often it is sent. \
             Without a key, look for the order in the list before placing it again. After a status change, read the \
             order.",
        ),
    }
}
