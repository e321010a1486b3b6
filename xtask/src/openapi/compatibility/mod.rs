//! Detects breaking changes between two versions of an OpenAPI document.
//!
//! | element | breaking change |
//! |---|---|
//! | path, method | removed |
//! | parameter | removed, newly required, or new and required |
//! | request body | newly required, or a media type removed |
//! | response | removed, or a media type or header removed |
//! | access | an operation requires an additional key or role |
//! | request schema | see `schemas`: a value that was accepted is refused |
//! | response schema | see `schemas`: a member is missing, or a new value is possible |
//!
//! New paths, methods, optional parameters, problem statuses and response members are not breaking: clients ignore unknown
//! members.

mod schemas;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use schemas::{Direction, Documents};

/// Returns all breaking changes with their locations.
pub(super) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut walk = Walk {
        documents: Documents { old, new },
        breaks: Vec::new(),
    };
    for (path, item) in members(&old["paths"]) {
        let Some(new_item) = new["paths"].get(path) else {
            walk.breaks.push(format!("{path}: was removed"));
            continue;
        };
        for (method, operation) in members(item) {
            let location = format!("{} {path}", method.to_uppercase());
            match new_item.get(method) {
                Some(new_operation) => walk.operation(&location, operation, new_operation),
                None => walk.breaks.push(format!("{location}: was removed")),
            }
        }
    }
    walk.breaks
}

struct Walk<'a> {
    documents: Documents<'a>,
    breaks: Vec<String>,
}

impl Walk<'_> {
    fn operation(&mut self, location: &str, old: &Value, new: &Value) {
        self.access(location, &old["security"], &new["security"]);
        self.parameters(location, &old["parameters"], &new["parameters"]);
        self.body(location, &old["requestBody"], &new["requestBody"]);
        for (status, response) in members(&old["responses"]) {
            let location = format!("{location}: response {status}");
            match new["responses"].get(status) {
                Some(new_response) => self.response(&location, response, new_response),
                None => self.breaks.push(format!("{location} was removed")),
            }
        }
    }

    fn access(&mut self, location: &str, old: &Value, new: &Value) {
        let old = old.as_array().map(Vec::as_slice).unwrap_or_default();
        let new = new.as_array().map(Vec::as_slice).unwrap_or_default();
        // An empty list allows all clients; of several requirements, one must be satisfied.
        let is_open = new.is_empty();
        let old_still_sufficient =
            !old.is_empty() && old.iter().all(|requirement| new.contains(requirement));
        if !is_open && !old_still_sufficient {
            self.breaks
                .push(format!("{location}: security requirements changed"));
        }
    }

    fn parameters(&mut self, location: &str, old: &Value, new: &Value) {
        let find = |list: &Value, expected: &Value| {
            let mut list = list.as_array().into_iter().flatten();
            list.find(|it| it["name"] == expected["name"] && it["in"] == expected["in"])
                .cloned()
        };
        for parameter in old.as_array().into_iter().flatten() {
            let location = format!("{location}: parameter {}", text(&parameter["name"]));
            let Some(now) = find(new, parameter) else {
                self.breaks.push(format!("{location} was removed"));
                continue;
            };
            if now["required"] == true && parameter["required"] != true {
                self.breaks.push(format!("{location} is newly required"));
            }
            self.schema(
                Direction::Request,
                &location,
                &parameter["schema"],
                &now["schema"],
            );
        }
        for parameter in new.as_array().into_iter().flatten() {
            if parameter["required"] == true && find(old, parameter).is_none() {
                let name = text(&parameter["name"]);
                self.breaks
                    .push(format!("{location}: parameter {name} is new and required"));
            }
        }
    }

    fn body(&mut self, location: &str, old: &Value, new: &Value) {
        if new["required"] == true && old["required"] != true {
            self.breaks
                .push(format!("{location}: the body is newly required"));
        }
        self.content(Direction::Request, &format!("{location}: body"), old, new);
    }

    fn response(&mut self, location: &str, old: &Value, new: &Value) {
        let old = resolved(self.documents.old, old);
        let new = resolved(self.documents.new, new);
        for (name, _) in members(&old["headers"]) {
            if new["headers"].get(name).is_none() {
                self.breaks
                    .push(format!("{location}: header {name} was removed"));
            }
        }
        self.content(Direction::Response, location, old, new);
    }

    /// Compares bodies of each media type.
    fn content(&mut self, direction: Direction, location: &str, old: &Value, new: &Value) {
        for (media_type, content) in members(&old["content"]) {
            let location = format!("{location}: {media_type}");
            match new["content"].get(media_type) {
                Some(now) => self.schema(direction, &location, &content["schema"], &now["schema"]),
                None => self.breaks.push(format!("{location} was removed")),
            }
        }
    }

    fn schema(&mut self, direction: Direction, location: &str, old: &Value, new: &Value) {
        let found = schemas::breaks(self.documents, direction, old, new);
        self.breaks
            .extend(found.into_iter().map(|what| format!("{location}: {what}")));
    }
}

/// The response that a reference to a component leads to, or the response itself.
fn resolved<'a>(document: &'a Value, response: &'a Value) -> &'a Value {
    let reference = response["$ref"].as_str();
    let target = reference.and_then(|it| document.pointer(it.trim_start_matches('#')));
    target.unwrap_or(response)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
