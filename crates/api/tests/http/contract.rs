//! Compares responses with the OpenAPI document: each has the members of its schema and no others.

use std::cell::RefCell;
use std::collections::BTreeSet;

use domain::order::OrderStatus;
use serde_json::{Map, Value};

use crate::client::Reply;
use crate::fixture::{JSON, TestServer};
use crate::push_vendor::{self, MAX_BYTES};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

/// The operations that have a JSON response, and are not in the test of all others.
const ELSEWHERE: [(&str, &str); 2] = [
    ("GET", "/openapi.json"),
    ("POST", "/api/v1/vendors/{vendor_id}/reports"),
];

struct Document {
    text: Value,
    /// Method and path of the operations of which a success was compared.
    compared: RefCell<BTreeSet<(String, String)>>,
}

impl Document {
    async fn of(server: &TestServer) -> Self {
        let reply = server.get("/openapi.json").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        Self {
            text: reply.json(),
            compared: RefCell::default(),
        }
    }

    /// Asserts that a success of every operation with a JSON response was compared.
    fn assert_complete(&self) {
        let mut compared = self.compared.take();
        compared.extend(ELSEWHERE.map(|(method, path)| (method.to_owned(), path.to_owned())));
        for (path, item) in self.text["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap().iter();
                let mut successes = responses.filter(|(status, _)| status.starts_with('2'));
                let is_json = |(_, response): (_, &Value)| {
                    response["content"]["application/json"].is_object()
                };
                let key = (method.to_uppercase(), path.clone());
                assert!(
                    !successes.any(is_json) || compared.contains(&key),
                    "{key:?}"
                );
            }
        }
    }

    /// Asserts that the document describes the status, media type, headers and members of a response.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let location = format!("{method} {path}: {}", reply.status);
        let operation = &self.text["paths"][path][method.to_lowercase()];
        let response = self.resolved(&operation["responses"][reply.status.to_string()]);
        assert!(response.is_object(), "{location} is not documented");
        let media_type = reply.header("content-type").unwrap();
        let media_type = media_type.split(';').next().unwrap();
        let schema = &response["content"][media_type]["schema"];
        assert!(
            schema.is_object(),
            "{location} {media_type} is not documented"
        );
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let header = self.resolved(header);
            let is_present = reply.header(name).is_some();
            assert!(
                is_present || header["required"] != true,
                "{location}: {name}"
            );
        }
        self.members(&location, schema, &reply.json());
        if reply.status < 300 {
            let key = (method.to_owned(), path.to_owned());
            self.compared.borrow_mut().insert(key);
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.text.pointer(&reference[1..]).unwrap(),
            None => schema,
        }
    }

    /// Compares the members of a value with the properties of its schema, recursively.
    fn members(&self, location: &str, schema: &Value, value: &Value) {
        let schema = self.resolved(schema);
        match value {
            Value::Array(items) => {
                for item in items {
                    self.members(&format!("{location}/*"), &schema["items"], item);
                }
            }
            Value::Object(members) => self.object(location, schema, members),
            _ => {}
        }
    }

    fn object(&self, location: &str, schema: &Value, members: &Map<String, Value>) {
        let alternatives = schema["oneOf"].as_array();
        let matches = |alternative: &&Value| {
            let required = self.resolved(alternative)["required"].as_array().unwrap();
            required
                .iter()
                .all(|name| members.contains_key(name.as_str().unwrap()))
        };
        if let Some(alternatives) = alternatives {
            let matching = alternatives.iter().find(matches);
            let matching = matching.unwrap_or_else(|| panic!("{location}: no alternative"));
            return self.object(location, self.resolved(matching), members);
        }
        let (mut properties, mut required) = (Map::new(), Vec::new());
        self.collect(schema, &mut properties, &mut required);
        for name in &required {
            assert!(members.contains_key(name), "{location}: {name} is missing");
        }
        for (name, member) in members {
            let location = format!("{location}/{name}");
            let other = &schema["additionalProperties"];
            if let Some(property) = properties.get(name) {
                self.members(&location, property, member);
            } else {
                assert!(other.is_object(), "{location} is not documented");
                self.members(&location, other, member);
            }
        }
    }

    fn collect(
        &self,
        schema: &Value,
        properties: &mut Map<String, Value>,
        required: &mut Vec<String>,
    ) {
        let schema = self.resolved(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.collect(part, properties, required);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            // The first part has the full property; later parts only narrow it.
            properties.entry(name).or_insert_with(|| property.clone());
        }
        let names = schema["required"].as_array().into_iter().flatten();
        required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
    }
}

#[tokio::test]
async fn responses_match_the_openapi_document() {
    let server = TestServer::start();
    for status in OrderStatus::ALL {
        server.add_order(*status);
    }
    server.store.add_stock("SKU-1", 3);
    server.store.register_vendor("vendor-a", 1);
    let document = Document::of(&server).await;
    let batch = format!(r#"{{"orders": [{ORDER}, {{}}]}}"#);
    for (method, path, target, body, status) in [
        ("GET", "/", "/", "", 200),
        ("GET", "/healthz", "/healthz", "", 200),
        ("GET", "/readyz", "/readyz", "", 200),
        ("GET", "/problems/{slug}", "/problems/x", "", 404),
        ("GET", "/docs/{file}", "/docs/x", "", 404),
        ("POST", "/api/v1/order", "/api/v1/order", ORDER, 202),
        ("POST", "/api/v1/orders", "/api/v1/orders", ORDER, 202),
        ("POST", "/api/v1/orders", "/api/v1/orders", "{", 400),
        ("POST", "/api/v1/orders", "/api/v1/orders", "{}", 422),
        (
            "POST",
            "/api/v1/orders/batch",
            "/api/v1/orders/batch",
            &batch,
            207,
        ),
        ("GET", "/api/v1/orders", "/api/v1/orders?limit=3", "", 200),
        ("GET", "/api/v1/orders", "/api/v1/orders?x=1", "", 400),
        ("GET", "/api/v1/orders/{id}", "/api/v1/orders/2", "", 200),
        ("GET", "/api/v1/orders/{id}", "/api/v1/orders/9999", "", 404),
        (
            "PATCH",
            "/api/v1/orders/{id}",
            "/api/v1/orders/1",
            r#"{"status": "CANCELLED"}"#,
            200,
        ),
        (
            "PATCH",
            "/api/v1/orders/{id}",
            "/api/v1/orders/1",
            r#"{"status": "SHIPPED"}"#,
            409,
        ),
        ("GET", "/api/v1/stock", "/api/v1/stock", "", 200),
        (
            "GET",
            "/api/v1/stock/{product_id}",
            "/api/v1/stock/SKU-1",
            "",
            200,
        ),
        ("GET", "/api/v1/vendors", "/api/v1/vendors", "", 200),
        (
            "POST",
            "/api/v1/vendors/{vendor_id}/sync",
            "/api/v1/vendors/vendor-a/sync",
            "",
            200,
        ),
        (
            "GET",
            "/api/v1/vendors/{vendor_id}/runs",
            "/api/v1/vendors/vendor-a/runs",
            "",
            200,
        ),
        (
            "GET",
            "/api/v1/vendors/{vendor_id}/runs",
            "/api/v1/vendors/unknown/runs",
            "",
            404,
        ),
        (
            "POST",
            "/api/v1/vendors/{vendor_id}/pause",
            "/api/v1/vendors/vendor-a/pause",
            r#"{"reason": "stocktaking"}"#,
            200,
        ),
        ("GET", "/api/v1/vendors", "/api/v1/vendors", "", 200),
        (
            "POST",
            "/api/v1/vendors/{vendor_id}/resume",
            "/api/v1/vendors/vendor-a/resume",
            "",
            200,
        ),
    ] {
        let head = if body.is_empty() { "" } else { JSON };
        let reply = server.send(method, target, head, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{method} {target}");
        document.check(method, path, &reply);
    }
    compare_quarantine(&server, &document).await;
    document.assert_complete();
    compare_refusals(&server, &document).await;
}

/// Compares the responses to a body of another type and during the shutdown.
async fn compare_refusals(server: &TestServer, document: &Document) {
    let typed = "Content-Type: text/plain\r\n";
    let reply = server.send("POST", "/api/v1/orders", typed, b"{}").await;
    assert_eq!(reply.status, 415);
    document.check("POST", "/api/v1/orders", &reply);
    server.announce_shutdown();
    document.check("POST", "/api/v1/orders", &server.post(ORDER).await);
    document.check("GET", "/readyz", &server.get("/readyz").await);
}

/// Compares the responses about a report in quarantine.
async fn compare_quarantine(server: &TestServer, document: &Document) {
    server.store.0.lock().unwrap().has_stock = true;
    server.feed.report(None, &[]);
    for decision in ["accept", "discard"] {
        let target = "/api/v1/vendors/vendor-a/sync";
        let reply = server.send("POST", target, "", b"").await;
        assert_eq!(reply.json()["status"], "QUARANTINED");
        let vendors = server.get("/api/v1/vendors").await;
        assert!(vendors.json()["items"][1]["quarantine"].is_object());
        document.check("GET", "/api/v1/vendors", &vendors);
        let target = format!("/api/v1/vendors/vendor-a/quarantine/{decision}");
        let reply = server.send("POST", &target, "", b"").await;
        assert_eq!(reply.status, 200);
        let path = format!("/api/v1/vendors/{{vendor_id}}/quarantine/{decision}");
        document.check("POST", &path, &reply);
    }
}

#[tokio::test]
async fn responses_to_pushed_reports_match_the_openapi_document() {
    let server = push_vendor::server(|_| ());
    let document = Document::of(&server).await;
    let too_large = vec![b' '; usize::try_from(MAX_BYTES).unwrap() + 1];
    for (vendor_id, head, body, status) in [
        (
            "acme",
            "",
            &br#"{"items": [{"id": "a", "units": 3}]}"#[..],
            200,
        ),
        ("acme", "", br#"{"items": [{"id": "a", "units": -3}]}"#, 422),
        ("acme", "", b"", 400),
        ("acme", "", &too_large, 413),
        ("acme", "Content-Encoding: br\r\n", b"{}", 415),
        ("seed", "", b"{}", 404),
    ] {
        let target = format!("/api/v1/vendors/{vendor_id}/reports");
        let reply = server.send("POST", &target, head, body).await;
        assert_eq!(reply.status, status, "{vendor_id} {head}");
        document.check("POST", "/api/v1/vendors/{vendor_id}/reports", &reply);
    }
    let vendors = server.get("/api/v1/vendors").await;
    document.check("GET", "/api/v1/vendors", &vendors);
}
