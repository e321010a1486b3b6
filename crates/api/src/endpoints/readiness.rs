//! Readiness.

use actix_web::HttpResponse;
use actix_web::web::Data;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::openapi::response::ResponseSpec;
use crate::openapi::{Contract, headers, problems, schemas};
use crate::problem::ProblemKind;
use crate::state::AppState;

/// `GET /readyz`: 200 while orders can be accepted.
pub(crate) async fn ready(state: Data<AppState>) -> HttpResponse {
    let mut readiness = state.readiness.readiness().await;
    if state.is_shutting_down() {
        readiness.closed = Some("shutting down");
    }
    readiness.response()
}

/// The contract of `GET /readyz`.
pub(crate) fn ready_contract() -> Contract {
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
            .header(headers::RETRY_AFTER);
    Contract::new("show_readiness", "service", "Check readiness")
.description("Returns 200 while the process can accept orders, else 503. The body contains the state of each dependency and \
background task, and the lag of the outbox.")
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
