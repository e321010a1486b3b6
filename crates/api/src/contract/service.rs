//! The service itself: whether it lives, what it is, how it is used.

use serde_json::json;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::answer::Answer;
use super::parameters::in_path;
use super::{Contract, problems, schemas};
use crate::docs;
use crate::health::{Alive, Description};
use crate::problem::ProblemKind;

const TAG: &str = "service";

/// `GET /`.
pub(crate) fn describe() -> Contract {
    Contract::new(
        "describe_service",
        TAG,
        "Says what this service is, and where what is",
    )
    .answer(200, Answer::json::<Description>("What this service is."))
}

/// `GET /healthz`.
pub(crate) fn live() -> Contract {
    Contract::new("show_liveness", TAG, "Answers while the process lives")
        .answer(200, Answer::json::<Alive>("The process lives."))
}

/// `GET /readyz`.
pub(crate) fn ready() -> Contract {
    let body = |description: &'static str| {
        let readiness = ("Readiness".to_owned(), readiness().into());
        Answer::empty(description)
            .content("application/json", Ref::from_schema_name("Readiness"))
            .schemas([readiness].into())
    };
    let not_ready =
        body("It cannot, and the body says why; or the request could not be handled at all.")
            .content(
                "application/problem+json",
                problems::schema(&[ProblemKind::Unavailable]),
            )
            .header(super::headers::RETRY_AFTER);
    Contract::new(
        "show_readiness",
        TAG,
        "Says whether this process can do its work",
    )
    .answer(200, body("It can."))
    .answer(503, not_ready)
    .problems(&[ProblemKind::Unavailable])
}

/// What the crate `readiness` renders.
fn readiness() -> ObjectBuilder {
    let dependency = || {
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property(
                "state",
                schemas::words(["up", "down", "not_used", "in_process"]),
            )
            .property("detail", schemas::string())
            .required("state")
    };
    let task = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property(
            "state",
            schemas::words(["running", "restarting", "disconnected", "stuck"]),
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
        "The age of the oldest order that waits to be handed to the queue; null if it is not \
         known.",
    ));
    let outbox = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("lag_ms", lag)
        .required("lag_ms");
    let held_back = schemas::count_or_null().description(Some(
        "The age of the oldest committed change that events cannot show yet, because a transaction that began before it is \
         still open; 0 if there is none.",
    ));
    let oldest = schemas::count_or_null().description(Some(
        "The age of the oldest open transaction with a write, in any database of the server; null if there is none or it \
         cannot be seen.",
    ));
    let change_feed = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "How far events are behind. It does not make a process unready.",
        ))
        .property("held_back_ms", held_back)
        .property("oldest_transaction_ms", oldest)
        .required("held_back_ms")
        .required("oldest_transaction_ms");
    let dead_letters = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Orders and messages that were given up and wait for a person; null if it is not known to \
             this process. They do not make it unready.",
        ))
        .property("orders", schemas::count_or_null())
        .property("messages", schemas::count_or_null())
        .required("orders")
        .required("messages");
    let queues = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Messages that wait, and those of them in queues beyond the configured number.",
        ))
        .property("waiting", schemas::count())
        .property("surplus", schemas::count())
        .required("waiting")
        .required("surplus");
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(
            "Whether this process can do its work, and what keeps it from it.",
        ))
        .property("status", schemas::words(["ready", "not_ready"]))
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
                .description(Some("What runs in the process by itself, by name.")),
        )
        .required("status")
        .required("dependencies")
        .required("outbox")
}

/// `GET /metrics`.
pub(crate) fn metrics() -> Contract {
    let text = schemas::string().examples([json!("# HELP …\n# TYPE …\n")]);
    Contract::new(
        "show_metrics",
        TAG,
        "Shows what this process counts, for Prometheus",
    )
    .answer(
        200,
        Answer::empty("In Prometheus' text format.").content("text/plain", text),
    )
}

/// `GET /openapi.json`.
pub(crate) fn openapi() -> Contract {
    let document = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("openapi", schemas::words(["3.1.0"]))
        .required("openapi");
    Contract::new("show_openapi", TAG, "Shows this document").answer(
        200,
        Answer::empty("This document.").content("application/json", document),
    )
}

/// `GET /docs`.
pub(crate) fn docs() -> Contract {
    Contract::new(
        "show_docs",
        TAG,
        "Shows this document as a page to read and try",
    )
    .answer(200, page("The page."))
}

/// `GET /docs/{file}`.
pub(crate) fn docs_file() -> Contract {
    let name = schemas::words(docs::FILES.iter().map(|file| file.name));
    let files = docs::FILES
        .iter()
        .fold(Answer::empty("The file."), |answer, file| {
            answer.content(file.media_type, schemas::string())
        });
    Contract::new("show_docs_file", TAG, "Shows what the page at /docs loads")
        .parameters([in_path("file", name)])
        .answer(200, files)
        .problems(&[ProblemKind::MalformedRequest, ProblemKind::NotFound])
}

/// `GET /problems/{slug}`.
pub(crate) fn problem_page() -> Contract {
    let slug = schemas::words(ProblemKind::ALL.iter().map(|kind| kind.slug()));
    Contract::new(
        "show_problem",
        TAG,
        "Explains a problem, and what to do about it",
    )
    .parameters([in_path("slug", slug)])
    .answer(200, page("The page."))
    .problems(&[ProblemKind::MalformedRequest, ProblemKind::NotFound])
}

fn page(description: &str) -> Answer {
    Answer::empty(description).content("text/html", schemas::string())
}
