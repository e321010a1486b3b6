//! Each rule: what it finds, and what it lets pass.

use serde_json::{Value, json};

use super::breaks;

/// A document with one of everything.
fn contract() -> Value {
    json!({
        "paths": {
            "/orders": {
                "get": {
                    "parameters": [
                        {"name": "status", "in": "query", "schema": {"type": "string", "enum": ["A", "B"]}},
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 10}},
                    ],
                    "responses": {"200": {
                        "headers": {"Link": {}},
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
                    }},
                },
                "post": {
                    "security": [{"key": ["customer"]}],
                    "requestBody": {
                        "content": {"application/json": {"schema": {"oneOf": [
                            {"$ref": "#/components/schemas/NewOrder"},
                            {"type": "object"},
                        ]}}},
                    },
                    "responses": {"202": {}},
                },
            },
        },
        "components": {"schemas": {
            "Order": {"allOf": [
                {"$ref": "#/components/schemas/Named"},
                {
                    "type": "object",
                    "properties": {"status": {"type": "string", "enum": ["A", "B"]}, "note": {"type": ["string", "null"]}},
                    "required": ["status"],
                },
            ]},
            "Named": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
            "NewOrder": {
                "type": "object",
                "properties": {"id": {"type": "string", "maxLength": 9, "pattern": "^a"}, "note": {"type": "string"}},
                "required": ["id"],
            },
        }},
    })
}

/// The breaks after a change at a place.
fn after(pointer: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let old = contract();
    let mut new = contract();
    change(new.pointer_mut(pointer).unwrap());
    breaks(&old, &new)
}

fn removed(pointer: &str, name: &str) -> Vec<String> {
    after(pointer, |value| {
        value.as_object_mut().unwrap().remove(name).unwrap();
    })
}

fn set(pointer: &str, name: &str, to: Value) -> Vec<String> {
    after(pointer, |value| value[name] = to)
}

/// Checks that there is one break, and that it is told with these words.
#[track_caller]
fn assert_one(breaks: &[String], parts: &[&str]) {
    assert_eq!(breaks.len(), 1, "{breaks:?}");
    for part in parts {
        assert!(breaks[0].contains(part), "{breaks:?}");
    }
}

const GET: &str = "/paths/~1orders/get";
const POST: &str = "/paths/~1orders/post";
const ORDER: &str = "/components/schemas/Order/allOf/1";
const NEW: &str = "/components/schemas/NewOrder";

#[test]
fn paths_and_methods_stay() {
    assert_one(&removed("/paths", "/orders"), &["/orders: is gone"]);
    assert_one(
        &removed("/paths/~1orders", "post"),
        &["POST /orders: is gone"],
    );
    assert!(set("/paths", "/stock", json!({})).is_empty());
    assert!(set("/paths/~1orders", "patch", json!({})).is_empty());
}

#[test]
fn access_does_not_become_harder() {
    let operator = json!([{"key": ["operator"]}]);
    assert_one(&set(POST, "security", operator.clone()), &["other access"]);
    assert_one(&set(GET, "security", operator), &["other access"]);
    assert!(removed(POST, "security").is_empty());
    let either = json!([{"key": ["customer"]}, {"key": ["operator"]}]);
    assert!(set(POST, "security", either).is_empty());
}

#[test]
fn parameters_stay_and_none_becomes_required() {
    let gone = after(&format!("{GET}/parameters"), |list| {
        list.as_array_mut().unwrap().remove(0);
    });
    assert_one(&gone, &["parameter status is gone"]);
    let required = set(&format!("{GET}/parameters/0"), "required", json!(true));
    assert_one(&required, &["parameter status is newly required"]);
    let add = |required: bool| {
        after(&format!("{GET}/parameters"), |list| {
            let parameter = json!({"name": "x", "in": "query", "required": required});
            list.as_array_mut().unwrap().push(parameter);
        })
    };
    assert_one(&add(true), &["parameter x is new and required"]);
    assert!(add(false).is_empty());
}

#[test]
fn a_body_does_not_become_required_and_keeps_its_media_types() {
    let body = format!("{POST}/requestBody");
    assert_one(
        &set(&body, "required", json!(true)),
        &["the body is newly required"],
    );
    assert_one(
        &removed(&format!("{body}/content"), "application/json"),
        &["body: application/json is gone"],
    );
}

#[test]
fn answers_stay_with_their_headers_and_media_types() {
    assert_one(
        &removed(&format!("{POST}/responses"), "202"),
        &["answer 202 is gone"],
    );
    let answer = format!("{GET}/responses/200");
    assert_one(
        &removed(&format!("{answer}/headers"), "Link"),
        &["header Link is gone"],
    );
    assert_one(
        &removed(&format!("{answer}/content"), "application/json"),
        &["application/json is gone"],
    );
    assert!(set(&format!("{POST}/responses"), "409", json!({})).is_empty());
}

#[test]
fn properties_of_answers_stay() {
    let properties = format!("{ORDER}/properties");
    assert_one(&removed(&properties, "note"), &["/note is gone"]);
    let named = "/components/schemas/Named";
    assert_one(
        &set(named, "required", json!([])),
        &["/id is no longer always there"],
    );
    assert!(set(ORDER, "required", json!(["status", "note"])).is_empty());
    assert!(set(&properties, "more", json!({})).is_empty());
}

#[test]
fn properties_of_requests_stay_and_none_becomes_required() {
    let properties = format!("{NEW}/properties");
    assert_one(&removed(&properties, "note"), &["/note is gone"]);
    assert_one(
        &set(NEW, "required", json!(["id", "note"])),
        &["/note is newly required"],
    );
    let new = after(NEW, |schema| {
        schema["properties"]["x"] = json!({});
        schema["required"] = json!(["id", "x"]);
    });
    assert_one(&new, &["/x is new and required"]);
    assert!(set(&properties, "x", json!({})).is_empty());
    assert_one(
        &set(NEW, "additionalProperties", json!(false)),
        &["no longer takes other members"],
    );
}

#[test]
fn requests_lose_no_words_and_answers_get_none() {
    let sent = format!("{GET}/parameters/0/schema");
    assert_one(
        &set(&sent, "enum", json!(["A"])),
        &["no longer takes \"B\""],
    );
    assert!(set(&sent, "enum", json!(["A", "B", "C"])).is_empty());
    assert!(removed(&sent, "enum").is_empty());
    let answered = format!("{ORDER}/properties/status");
    assert_one(
        &set(&answered, "enum", json!(["A", "B", "C"])),
        &["may newly be \"C\""],
    );
    assert!(set(&answered, "enum", json!(["A"])).is_empty());
    assert_one(&removed(&answered, "enum"), &["an enum"]);
    let note = format!("{NEW}/properties/note");
    assert_one(&set(&note, "enum", json!(["A"])), &["an enum"]);
}

#[test]
fn requests_take_all_types_that_they_took_and_answers_have_no_others() {
    let sent = format!("{NEW}/properties/note");
    assert_one(
        &set(&sent, "type", json!("integer")),
        &["/note is of another type"],
    );
    assert!(set(&sent, "type", json!(["string", "null"])).is_empty());
    let answered = format!("{ORDER}/properties/note");
    assert!(set(&answered, "type", json!("string")).is_empty());
    assert_one(
        &set(&answered, "type", json!(["string", "integer"])),
        &["/note is of another type"],
    );
    assert_one(&removed(&answered, "type"), &["/note is of another type"]);
}

#[test]
fn ranges_of_requests_do_not_become_narrower() {
    let limit = format!("{GET}/parameters/1/schema");
    assert_one(&set(&limit, "minimum", json!(2)), &["higher minimum"]);
    assert_one(&set(&limit, "maximum", json!(9)), &["lower maximum"]);
    assert!(set(&limit, "minimum", json!(0)).is_empty());
    assert!(set(&limit, "maximum", json!(11)).is_empty());
    let id = format!("{NEW}/properties/id");
    assert_one(&set(&id, "minLength", json!(1)), &["higher minLength"]);
    assert_one(&set(&id, "maxLength", json!(8)), &["lower maxLength"]);
    assert_one(&set(&id, "pattern", json!("^b")), &["another pattern"]);
    assert!(removed(&id, "pattern").is_empty());
}

#[test]
fn requests_keep_their_alternatives() {
    let body = format!("{POST}/requestBody/content/application~1json/schema/oneOf");
    let fewer = after(&body, |list| {
        list.as_array_mut().unwrap().pop();
    });
    assert_one(&fewer, &["takes fewer alternatives"]);
    let more = after(&body, |list| list.as_array_mut().unwrap().push(json!({})));
    assert!(more.is_empty());
    let answered = "/components/schemas/Named/properties/id";
    let old = {
        let mut old = contract();
        *old.pointer_mut(answered).unwrap() = json!({"oneOf": [{"type": "integer"}]});
        old
    };
    let mut new = old.clone();
    let list = new.pointer_mut(&format!("{answered}/oneOf")).unwrap();
    list.as_array_mut().unwrap().push(json!({"type": "string"}));
    assert_one(&breaks(&old, &new), &["has more alternatives"]);
}
