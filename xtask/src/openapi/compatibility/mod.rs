//! What clients of one version of a contract cannot live with in another.
//!
//! | what | is a break |
//! |---|---|
//! | a path, a method | gone |
//! | a parameter | gone, newly required, or new and required |
//! | a request's body | newly required, or a media type of it gone |
//! | an answer | gone, or a media type or a header of it gone |
//! | access | an operation asks for a key or a role that it did not ask for |
//! | what may be sent | see `schemas`: whatever is refused that was taken |
//! | what is answered | see `schemas`: whatever is missing that was there, or comes that never came |
//!
//! New paths, methods, optional parameters, statuses of problems and members of answers are none: a client ignores what it does
//! not know.

mod schemas;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use schemas::{Direction, Documents};

/// Every break, each with its place.
pub(super) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut walk = Walk {
        documents: Documents { old, new },
        breaks: Vec::new(),
    };
    for (path, item) in members(&old["paths"]) {
        let Some(new_item) = new["paths"].get(path) else {
            walk.breaks.push(format!("{path}: is gone"));
            continue;
        };
        for (method, operation) in members(item) {
            let place = format!("{} {path}", method.to_uppercase());
            match new_item.get(method) {
                Some(new_operation) => walk.operation(&place, operation, new_operation),
                None => walk.breaks.push(format!("{place}: is gone")),
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
    fn operation(&mut self, place: &str, old: &Value, new: &Value) {
        self.access(place, &old["security"], &new["security"]);
        self.parameters(place, &old["parameters"], &new["parameters"]);
        self.body(place, &old["requestBody"], &new["requestBody"]);
        for (status, answer) in members(&old["responses"]) {
            let place = format!("{place}: answer {status}");
            match new["responses"].get(status) {
                Some(new_answer) => self.answer(&place, answer, new_answer),
                None => self.breaks.push(format!("{place} is gone")),
            }
        }
    }

    fn access(&mut self, place: &str, old: &Value, new: &Value) {
        let old = old.as_array().map(Vec::as_slice).unwrap_or_default();
        let new = new.as_array().map(Vec::as_slice).unwrap_or_default();
        // No requirement at all lets everyone in; of several, one is enough.
        let is_open = new.is_empty();
        let still_enough = !old.is_empty() && old.iter().all(|way| new.contains(way));
        if !is_open && !still_enough {
            self.breaks.push(format!("{place}: asks for other access"));
        }
    }

    fn parameters(&mut self, place: &str, old: &Value, new: &Value) {
        let find = |list: &Value, wanted: &Value| {
            let mut list = list.as_array().into_iter().flatten();
            list.find(|it| it["name"] == wanted["name"] && it["in"] == wanted["in"])
                .cloned()
        };
        for parameter in old.as_array().into_iter().flatten() {
            let place = format!("{place}: parameter {}", text(&parameter["name"]));
            let Some(now) = find(new, parameter) else {
                self.breaks.push(format!("{place} is gone"));
                continue;
            };
            if now["required"] == true && parameter["required"] != true {
                self.breaks.push(format!("{place} is newly required"));
            }
            self.schema(
                Direction::Request,
                &place,
                &parameter["schema"],
                &now["schema"],
            );
        }
        for parameter in new.as_array().into_iter().flatten() {
            if parameter["required"] == true && find(old, parameter).is_none() {
                let name = text(&parameter["name"]);
                self.breaks
                    .push(format!("{place}: parameter {name} is new and required"));
            }
        }
    }

    fn body(&mut self, place: &str, old: &Value, new: &Value) {
        if new["required"] == true && old["required"] != true {
            self.breaks
                .push(format!("{place}: the body is newly required"));
        }
        self.content(Direction::Request, &format!("{place}: body"), old, new);
    }

    fn answer(&mut self, place: &str, old: &Value, new: &Value) {
        for (name, _) in members(&old["headers"]) {
            if new["headers"].get(name).is_none() {
                self.breaks.push(format!("{place}: header {name} is gone"));
            }
        }
        self.content(Direction::Answer, place, old, new);
    }

    /// Compares bodies of each media type.
    fn content(&mut self, direction: Direction, place: &str, old: &Value, new: &Value) {
        for (media_type, content) in members(&old["content"]) {
            let place = format!("{place}: {media_type}");
            match new["content"].get(media_type) {
                Some(now) => self.schema(direction, &place, &content["schema"], &now["schema"]),
                None => self.breaks.push(format!("{place} is gone")),
            }
        }
    }

    fn schema(&mut self, direction: Direction, place: &str, old: &Value, new: &Value) {
        let found = schemas::breaks(self.documents, direction, old, new);
        self.breaks
            .extend(found.into_iter().map(|what| format!("{place}: {what}")));
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
