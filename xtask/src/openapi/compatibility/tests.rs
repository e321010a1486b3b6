//! Tests of each rule with breaking and compatible changes.

use serde_json::{Value, json};

use super::breaks;

/// Returns a document that has each kind of element.
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

/// Returns the breaking changes after a modification at a JSON pointer.
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

/// Asserts that there is one breaking change and that its text contains these parts.
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
fn removed_path_or_method_is_breaking() {
    assert_one(&removed("/paths", "/orders"), &["/orders: was removed"]);
    assert_one(
        &removed("/paths/~1orders", "post"),
        &["POST /orders: was removed"],
    );
    assert!(set("/paths", "/stock", json!({})).is_empty());
    assert!(set("/paths/~1orders", "patch", json!({})).is_empty());
}

#[test]
fn stricter_access_is_breaking() {
    let operator = json!([{"key": ["operator"]}]);
    assert_one(
        &set(POST, "security", operator.clone()),
        &["security requirements changed"],
    );
    assert_one(
        &set(GET, "security", operator),
        &["security requirements changed"],
    );
    assert!(removed(POST, "security").is_empty());
    let either = json!([{"key": ["customer"]}, {"key": ["operator"]}]);
    assert!(set(POST, "security", either).is_empty());
}

#[test]
fn removed_or_newly_required_parameter_is_breaking() {
    let gone = after(&format!("{GET}/parameters"), |list| {
        list.as_array_mut().unwrap().remove(0);
    });
    assert_one(&gone, &["parameter status was removed"]);
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
fn newly_required_body_or_removed_media_type_is_breaking() {
    let body = format!("{POST}/requestBody");
    assert_one(
        &set(&body, "required", json!(true)),
        &["the body is newly required"],
    );
    assert_one(
        &removed(&format!("{body}/content"), "application/json"),
        &["body: application/json was removed"],
    );
}

#[test]
fn removed_response_header_or_media_type_is_breaking() {
    assert_one(
        &removed(&format!("{POST}/responses"), "202"),
        &["response 202 was removed"],
    );
    let response = format!("{GET}/responses/200");
    assert_one(
        &removed(&format!("{response}/headers"), "Link"),
        &["header Link was removed"],
    );
    assert_one(
        &removed(&format!("{response}/content"), "application/json"),
        &["application/json was removed"],
    );
    assert!(set(&format!("{POST}/responses"), "409", json!({})).is_empty());
}

#[test]
fn removed_or_optional_response_property_is_breaking() {
    let properties = format!("{ORDER}/properties");
    assert_one(&removed(&properties, "note"), &["/note was removed"]);
    let named = "/components/schemas/Named";
    assert_one(
        &set(named, "required", json!([])),
        &["/id is no longer always present"],
    );
    assert!(set(ORDER, "required", json!(["status", "note"])).is_empty());
    assert!(set(&properties, "more", json!({})).is_empty());
}

#[test]
fn removed_or_newly_required_request_property_is_breaking() {
    let properties = format!("{NEW}/properties");
    assert_one(&removed(&properties, "note"), &["/note was removed"]);
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
        &["no longer accepts additional members"],
    );
}

#[test]
fn removed_request_value_or_new_response_value_is_breaking() {
    let in_request = format!("{GET}/parameters/0/schema");
    assert_one(
        &set(&in_request, "enum", json!(["A"])),
        &["no longer accepts \"B\""],
    );
    assert!(set(&in_request, "enum", json!(["A", "B", "C"])).is_empty());
    assert!(removed(&in_request, "enum").is_empty());
    let in_response = format!("{ORDER}/properties/status");
    assert_one(
        &set(&in_response, "enum", json!(["A", "B", "C"])),
        &["can newly be \"C\""],
    );
    assert!(set(&in_response, "enum", json!(["A"])).is_empty());
    assert_one(&removed(&in_response, "enum"), &["an enum"]);
    let note = format!("{NEW}/properties/note");
    assert_one(&set(&note, "enum", json!(["A"])), &["an enum"]);
}

#[test]
fn removed_request_type_or_new_response_type_is_breaking() {
    let in_request = format!("{NEW}/properties/note");
    assert_one(
        &set(&in_request, "type", json!("integer")),
        &["/note has a different type"],
    );
    assert!(set(&in_request, "type", json!(["string", "null"])).is_empty());
    let in_response = format!("{ORDER}/properties/note");
    assert!(set(&in_response, "type", json!("string")).is_empty());
    assert_one(
        &set(&in_response, "type", json!(["string", "integer"])),
        &["/note has a different type"],
    );
    assert_one(
        &removed(&in_response, "type"),
        &["/note has a different type"],
    );
}

#[test]
fn narrower_request_range_is_breaking() {
    let limit = format!("{GET}/parameters/1/schema");
    assert_one(&set(&limit, "minimum", json!(2)), &["higher minimum"]);
    assert_one(&set(&limit, "maximum", json!(9)), &["lower maximum"]);
    assert!(set(&limit, "minimum", json!(0)).is_empty());
    assert!(set(&limit, "maximum", json!(11)).is_empty());
    let id = format!("{NEW}/properties/id");
    assert_one(&set(&id, "minLength", json!(1)), &["higher minLength"]);
    assert_one(&set(&id, "maxLength", json!(8)), &["lower maxLength"]);
    assert_one(&set(&id, "pattern", json!("^b")), &["different pattern"]);
    assert!(removed(&id, "pattern").is_empty());
}

#[test]
fn removed_request_alternative_is_breaking() {
    let body = format!("{POST}/requestBody/content/application~1json/schema/oneOf");
    let fewer = after(&body, |list| {
        list.as_array_mut().unwrap().pop();
    });
    assert_one(&fewer, &["accepts fewer alternatives"]);
    let more = after(&body, |list| list.as_array_mut().unwrap().push(json!({})));
    assert!(more.is_empty());
    let in_response = "/components/schemas/Named/properties/id";
    let old = {
        let mut old = contract();
        *old.pointer_mut(in_response).unwrap() = json!({"oneOf": [{"type": "integer"}]});
        old
    };
    let mut new = old.clone();
    let list = new.pointer_mut(&format!("{in_response}/oneOf")).unwrap();
    list.as_array_mut().unwrap().push(json!({"type": "string"}));
    assert_one(&breaks(&old, &new), &["has more alternatives"]);
}

/// Moves the response of `GET` to a component, and returns the breaking changes after a change of the component.
fn after_moving_the_response(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let old = contract();
    let mut new = contract();
    let response = new.pointer_mut(&format!("{GET}/responses/200")).unwrap();
    let mut component = response.take();
    *response = json!({"$ref": "#/components/responses/Page"});
    change(&mut component);
    new["components"]["responses"] = json!({"Page": component});
    breaks(&old, &new)
}

#[test]
fn referenced_response_equals_an_inline_one() {
    let unchanged = after_moving_the_response(|_| ());
    assert_eq!(unchanged, Vec::<String>::new());
    let without_header = after_moving_the_response(|response| response["headers"] = json!({}));
    assert_one(&without_header, &["header Link was removed"]);
    let without_content = after_moving_the_response(|response| response["content"] = json!({}));
    assert_one(&without_content, &["application/json was removed"]);
}

/// As JSON Schema 2020-12 does, the comparison applies members next to a reference in addition to its target.
#[test]
fn members_next_to_a_reference_narrow_its_target() {
    let in_response = format!("{GET}/responses/200/content/application~1json/schema");
    let narrowed = json!({
        "$ref": "#/components/schemas/Order",
        "properties": {"status": {"enum": ["A"]}},
    });
    let mut new = contract();
    *new.pointer_mut(&in_response).unwrap() = narrowed;
    assert!(breaks(&contract(), &new).is_empty());
    assert_one(&breaks(&new, &contract()), &["/status can newly be \"B\""]);
}
