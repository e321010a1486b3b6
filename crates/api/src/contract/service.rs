//! Contracts of the service endpoints: description, health, metrics and documentation.

use serde_json::json;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::parameters::in_path;
use super::response::ResponseSpec;
use super::{Contract, problems, schemas};
use crate::docs;
use crate::health::{Alive, Description};
use crate::problem::ProblemKind;

const TAG: &str = "service";

/// `GET /`.
pub(crate) fn describe() -> Contract {
    Contract::new("describe_service", TAG, "Describe the service").response(
        200,
        ResponseSpec::json::<Description>("The name, version and paths of the service."),
    )
}

/// `GET /healthz`.
pub(crate) fn live() -> Contract {
    Contract::new("show_liveness", TAG, "Check liveness")
        .response(200, ResponseSpec::json::<Alive>("The process is alive."))
}

/// `GET /readyz`.
pub(crate) fn ready() -> Contract {
    let body = |description: &'static str| {
        let readiness = ("Readiness".to_owned(), readiness().into());
        ResponseSpec::empty(description)
            .content("application/json", Ref::from_schema_name("Readiness"))
            .schemas([readiness].into())
    };
    let not_ready =
        body("The process is not ready, with the reason in the body; or the request failed.")
            .content(
                "application/problem+json",
                problems::schema(&[ProblemKind::Unavailable]),
            )
            .header(super::headers::RETRY_AFTER);
    Contract::new("show_readiness", TAG, "Check readiness")
        .response(200, body("The process is ready."))
        .response(503, not_ready)
        .problems(&[ProblemKind::Unavailable])
}

/// The schema of the document that the crate `readiness` renders.
fn readiness() -> ObjectBuilder {
    let dependency = || {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property(
                "state",
                schemas::string_enum(["up", "down", "not_used", "in_process"]),
            )
            .property("detail", schemas::string())
            .required("state")
    };
    let task = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(
            "state",
            schemas::string_enum(["running", "restarting", "disconnected", "stuck"]),
        )
        .property("detail", schemas::string())
        .property("restarts", schemas::count())
        .property("last_error", schemas::text_or_null())
        .required("state")
        .required("restarts")
        .required("last_error");
    let dependencies = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("database", dependency())
        .property("broker", dependency())
        .required("database")
        .required("broker");
    let lag = schemas::count_or_null().description(Some(
        "The age of the oldest order in the outbox, in milliseconds; null if unknown.",
    ));
    let outbox = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("lag_ms", lag)
        .required("lag_ms");
    let held_back = schemas::count_or_null().description(Some(
        "The age, in milliseconds, of the oldest committed change that cannot be sent as an event yet, because an earlier \
         transaction is still open; 0 if there is none.",
    ));
    let oldest = schemas::count_or_null().description(Some(
        "The age, in milliseconds, of the oldest open write transaction in any database of the server; null if there is \
         none or it is not visible.",
    ));
    let change_feed = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "The lag of the change feed. It does not affect readiness.",
        ))
        .property("held_back_ms", held_back)
        .property("oldest_transaction_ms", oldest)
        .required("held_back_ms")
        .required("oldest_transaction_ms");
    let dead_letters = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Numbers of dead-lettered orders and messages; null if unknown to this process. They do not \
             affect readiness.",
        ))
        .property("orders", schemas::count_or_null())
        .property("messages", schemas::count_or_null())
        .required("orders")
        .required("messages");
    let queues = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Numbers of pending messages, and of those in queues beyond the configured number.",
        ))
        .property("waiting", schemas::count())
        .property("surplus", schemas::count())
        .required("waiting")
        .required("surplus");
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "The readiness of the process, and the state of its dependencies.",
        ))
        .property("status", schemas::string_enum(["ready", "not_ready"]))
        .property("detail", schemas::string())
        .property("dependencies", dependencies)
        .property("outbox", outbox)
        .property("change_feed", change_feed)
        .property("dead_letters", dead_letters)
        .property("queues", queues)
        .property(
            "tasks",
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .additional_properties(Some(task))
                .description(Some("The background tasks of the process, by name.")),
        )
        .required("status")
        .required("dependencies")
        .required("outbox")
}

/// `GET /metrics`.
pub(crate) fn metrics() -> Contract {
    let text = schemas::string().examples([json!("# HELP …\n# TYPE …\n")]);
    Contract::new("show_metrics", TAG, "Get metrics").response(
        200,
        ResponseSpec::empty("Metrics in the Prometheus text format.").content("text/plain", text),
    )
}

/// `GET /openapi.json`.
pub(crate) fn openapi() -> Contract {
    let document = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("openapi", schemas::string_enum(["3.1.0"]))
        .required("openapi");
    Contract::new("show_openapi", TAG, "Get the OpenAPI document").response(
        200,
        ResponseSpec::empty("The OpenAPI document.").content("application/json", document),
    )
}

/// `GET /docs`.
pub(crate) fn docs() -> Contract {
    Contract::new("show_docs", TAG, "Get the interactive documentation")
        .response(200, page("The page."))
}

/// `GET /docs/{file}`.
pub(crate) fn docs_file() -> Contract {
    let name = schemas::string_enum(docs::FILES.iter().map(|file| file.name));
    let files = docs::FILES
        .iter()
        .fold(ResponseSpec::empty("The file."), |response, file| {
            response.content(file.media_type, schemas::string())
        });
    Contract::new("show_docs_file", TAG, "Get a file of the documentation")
        .parameters([in_path("file", name)])
        .response(200, files)
        .problems(&[ProblemKind::MalformedRequest, ProblemKind::NotFound])
}

/// `GET /problems/{slug}`.
pub(crate) fn problem_page() -> Contract {
    let slug = schemas::string_enum(ProblemKind::ALL.iter().map(|kind| kind.slug()));
    Contract::new("show_problem", TAG, "Get the description of a problem")
        .parameters([in_path("slug", slug)])
        .response(200, page("The page."))
        .problems(&[ProblemKind::MalformedRequest, ProblemKind::NotFound])
}

fn page(description: &str) -> ResponseSpec {
    ResponseSpec::empty(description).content("text/html", schemas::string())
}
