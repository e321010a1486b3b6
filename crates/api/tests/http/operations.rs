//! The operations of the OpenAPI document, which is built from the table of endpoints. The tests of what applies to every
//! endpoint are generated from them, so that none can be forgotten.

use serde_json::Value;

/// A method of a path.
pub(crate) struct Operation {
    pub(crate) method: String,
    /// The path template.
    pub(crate) path: String,
    /// The path with a value for each parameter. The vendor is `acme`.
    pub(crate) target: String,
    /// The role that an API key needs; `None` if the operation is open.
    pub(crate) role: Option<String>,
    /// Whether a response does not end before the client closes the connection.
    pub(crate) is_endless: bool,
}

/// The parsed document.
pub(crate) fn document() -> Value {
    serde_json::from_str(api::openapi_document()).unwrap()
}

/// All operations by path, with `HEAD` after each `GET`: the document omits it.
pub(crate) fn operations() -> Vec<Operation> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase();
            let head = (method == "GET").then(|| "HEAD".to_owned());
            for method in [method].into_iter().chain(head) {
                operations.push(Operation {
                    is_endless: method == "GET" && is_event_stream(operation),
                    method,
                    path: path.clone(),
                    target: target_of(path),
                    role: role_of(operation),
                });
            }
        }
    }
    assert!(operations.len() > 30, "{}", operations.len());
    operations
}

fn target_of(path: &str) -> String {
    let target = path
        .replace("{id}", "1")
        .replace("{product_id}", "SKU-1")
        .replace("{vendor_id}", "acme")
        .replace("{slug}", "not-found")
        .replace("{file}", "start.js");
    assert!(!target.contains('{'), "{path} needs an example here");
    target
}

fn role_of(operation: &Value) -> Option<String> {
    let role = &operation["security"].as_array().unwrap().first()?["api_key"][0];
    Some(role.as_str().unwrap().to_owned())
}

fn is_event_stream(operation: &Value) -> bool {
    operation["responses"]["200"]["content"]["text/event-stream"].is_object()
}
