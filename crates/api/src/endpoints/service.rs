//! The description of the service, liveness and metrics.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, schemas};
use crate::state::AppState;

const TAG: &str = "service";

/// The liveness of the process.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `alive`.
    status: &'static str,
}

/// `GET /healthz`.
pub(crate) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(Alive { status: "alive" })
}

/// The contract of `GET /healthz`.
pub(crate) fn live_contract() -> Contract {
    Contract::new("show_liveness", TAG, "Check liveness")
        .description(
            "Returns 200 while the process responds to requests. It does not check any dependency.",
        )
        .response(200, ResponseSpec::json::<Alive>("The process is alive."))
}

/// `GET /metrics`.
pub(crate) async fn metrics(state: Data<AppState>) -> HttpResponse {
    state.metrics.response().await
}

/// The contract of `GET /metrics`.
pub(crate) fn metrics_contract() -> Contract {
    let text = schemas::string().examples([json!("# HELP …\n# TYPE …\n")]);
    Contract::new("show_metrics", TAG, "Get metrics")
        .description("Returns the metrics of this process, and those of the store.")
        .response(
            200,
            ResponseSpec::empty("Metrics in the Prometheus text format.")
                .content("text/plain", text),
        )
}

/// The name, version and paths of the service.
#[derive(Serialize, ToSchema)]
pub(crate) struct Description {
    /// The name of the service.
    service: &'static str,
    /// The version of the program.
    version: &'static str,
    /// The commit that the program was built from; null if it is unknown.
    #[schema(required)]
    commit: Option<&'static str>,
    /// The base path of the API.
    api: &'static str,
    /// The path of orders.
    orders: &'static str,
    /// The path of stock.
    stock: &'static str,
    /// The path of vendors.
    vendors: &'static str,
    /// The path of the interactive documentation.
    docs: &'static str,
    /// The path of the OpenAPI 3.1 document.
    openapi: &'static str,
    /// The path of the liveness check.
    liveness: &'static str,
    /// The path of the readiness check.
    readiness: &'static str,
    /// The path of the metrics.
    metrics: &'static str,
}

/// `GET /`.
pub(crate) async fn describe(state: Data<AppState>) -> HttpResponse {
    let build = state.metrics.build();
    HttpResponse::Ok().json(Description {
        service: "order aggregator",
        version: build.version,
        commit: build.commit,
        api: "/api/v1",
        orders: "/api/v1/orders",
        stock: "/api/v1/stock",
        vendors: "/api/v1/vendors",
        docs: "/docs",
        openapi: "/openapi.json",
        liveness: "/healthz",
        readiness: "/readyz",
        metrics: "/metrics",
    })
}

/// The contract of `GET /`.
pub(crate) fn describe_contract() -> Contract {
    Contract::new("describe_service", TAG, "Describe the service")
        .description(
            "Returns the name, version and commit of the service, and the paths of its resources.",
        )
        .response(
            200,
            ResponseSpec::json::<Description>(
                "The name, version, commit and paths of the service.",
            ),
        )
}
