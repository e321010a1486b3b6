//! Metrics of requests, and the response to a request whose handler panics.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use futures_util::FutureExt;
use metrics::{HttpRecorder, NO_ROUTE};
use tracing::error;

use crate::endpoint::Path;
use crate::panic::panic_message;
use crate::problem::Problem;

/// Records each request in the metrics, and responds with 503 if its handler panics: a panic would close the connection and
/// drop the requests queued on it.
pub(crate) async fn record(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let recorder = request.app_data::<Rc<HttpRecorder>>().cloned();
    let (method, started) = (request.method().clone(), Instant::now());
    let result = AssertUnwindSafe(async { next.call(request).await });
    let result = result.catch_unwind().await.unwrap_or_else(|panic| {
        error!(
            panic = panic_message(panic.as_ref()),
            "request handler panicked"
        );
        Err(Problem::unavailable("the request failed unexpectedly").into())
    });
    if let Some(recorder) = recorder {
        let (route, status) = match &result {
            Ok(response) => {
                let path = response.request().app_data::<Path>();
                (path.map_or(NO_ROUTE, |path| path.0), response.status())
            }
            Err(error) => (NO_ROUTE, error.as_response_error().status_code()),
        };
        recorder.record(route, method.as_str(), status.as_u16(), started.elapsed());
    }
    result
}
