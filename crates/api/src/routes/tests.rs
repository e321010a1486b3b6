//! Rules of the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn parsed() -> Value {
    serde_json::from_str(openapi_document()).unwrap()
}

/// Every operation with its path.
fn operations(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let methods_of = |(path, item): (&String, &Value)| {
        let item = item.as_object().unwrap();
        let methods = item
            .values()
            .map(|operation| (path.clone(), operation.clone()));
        methods.collect::<Vec<_>>()
    };
    paths.iter().flat_map(methods_of).collect()
}

#[test]
fn path_parameters_match_the_path_template() {
    for (path, operation) in operations(&parsed()) {
        let named: BTreeSet<&str> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        let parameters = operation["parameters"].as_array();
        let in_path = parameters
            .into_iter()
            .flatten()
            .filter(|it| it["in"] == "path");
        let described: BTreeSet<&str> = in_path.filter_map(|it| it["name"].as_str()).collect();
        assert_eq!(named, described, "{path}");
    }
}

#[test]
fn operation_ids_are_unique_and_links_refer_to_them() {
    let document = parsed();
    let operations = operations(&document);
    let names: BTreeSet<&str> = operations
        .iter()
        .map(|(_, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), operations.len());
    let text = openapi_document();
    let linked = text.split("{\"operationId\":\"").skip(1);
    let linked: Vec<&str> = linked.filter_map(|rest| rest.split('"').next()).collect();
    assert!(linked.len() > 5, "{linked:?}");
    for name in linked {
        assert!(names.contains(name), "{name}");
    }
}

#[test]
fn every_operation_states_its_security_requirement() {
    let document = parsed();
    assert_eq!(document["servers"], serde_json::json!([{"url": "/"}]));
    for (path, operation) in operations(&document) {
        let security = operation["security"].as_array();
        let security = security.unwrap_or_else(|| panic!("{path}"));
        assert_eq!(
            security.is_empty(),
            !path.starts_with("/api/") && path != "/metrics",
            "{path}"
        );
    }
}

#[test]
fn every_operation_has_a_description() {
    for (path, operation) in operations(&parsed()) {
        let description = operation["description"].as_str().unwrap();
        assert!(!description.trim_start().starts_with("Requires"), "{path}");
        assert!(!description.is_empty(), "{path}");
    }
}

/// Generators create one type for all problems.
#[test]
fn problems_are_components() {
    let document = parsed();
    for (path, operation) in operations(&document) {
        let has_content = |response: &&Value| {
            let content = &response["content"]["application/problem+json"];
            content.is_object() && !response["content"]["application/json"].is_object()
        };
        let responses = operation["responses"].as_object().unwrap();
        assert_eq!(responses.values().find(has_content), None, "{path}");
    }
    for (name, response) in document["components"]["responses"].as_object().unwrap() {
        let schema = &response["content"]["application/problem+json"]["schema"];
        let problem = serde_json::json!({"$ref": "#/components/schemas/Problem"});
        assert_eq!(*schema, problem, "{name}");
    }
}

/// Generators create a type for each enumeration and object, and name those of components only. Not all of
/// them support members next to a reference.
#[test]
fn enumerations_and_objects_are_components() {
    fn check(path: &str, schema: &Value) {
        let has_name = path
            .rsplit_once('/')
            .is_some_and(|(parent, _)| parent == "/schemas");
        let is_type = schema["enum"].is_array() || schema["properties"].is_object();
        let is_part = path.contains("/allOf/") || path.contains("/headers/");
        assert!(!is_type || has_name || is_part, "{path}: {schema}");
        let members = schema.as_object().map_or(0, serde_json::Map::len);
        assert!(schema["$ref"].is_null() || members == 1, "{path}: {schema}");
        let members = schema.as_object().into_iter().flatten();
        let items = schema.as_array().into_iter().flatten().enumerate();
        let items = items.map(|(index, item)| (index.to_string(), item));
        let members = members.map(|(name, member)| (name.clone(), member));
        for (name, child) in members.chain(items) {
            check(&format!("{path}/{name}"), child);
        }
    }
    let document = parsed();
    check("", &document["components"]);
    check("/paths", &document["paths"]);
}

#[test]
fn every_reference_resolves() {
    let document = parsed();
    let references: BTreeSet<&str> = openapi_document()
        .split("\"$ref\":\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
