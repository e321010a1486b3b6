//! The document, held against real answers: each has the members that its schema names, and no others.

use domain::order::OrderStatus;
use serde_json::{Map, Value};

use crate::client::Reply;
use crate::fixture::{JSON, TestServer};

const ORDER: &str = r#"{"product_id": "SKU-1", "quantity": 3}"#;

struct Document(Value);

impl Document {
    async fn of(server: &TestServer) -> Self {
        let reply = server.get("/openapi.json").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), Some("application/json"));
        Self(reply.json())
    }

    /// Checks an answer of an operation: its status and media type are told, and its members are those of the schema.
    fn check(&self, method: &str, path: &str, reply: &Reply) {
        let place = format!("{method} {path}: {}", reply.status);
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let answer = &operation["responses"][reply.status.to_string()];
        assert!(answer.is_object(), "{place} is not told");
        let media_type = reply.header("content-type").unwrap();
        let media_type = media_type.split(';').next().unwrap();
        let schema = &answer["content"][media_type]["schema"];
        assert!(schema.is_object(), "{place} {media_type} is not told");
        for (name, header) in answer["headers"].as_object().into_iter().flatten() {
            let header = self.resolved(header);
            let is_there = reply.header(name).is_some();
            assert!(is_there || header["required"] != true, "{place}: {name}");
        }
        self.members(&place, schema, &reply.json());
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => self.0.pointer(&reference[1..]).unwrap(),
            None => schema,
        }
    }

    /// Compares the members of a value with the properties of its schema, all the way down.
    fn members(&self, place: &str, schema: &Value, value: &Value) {
        let schema = self.resolved(schema);
        match value {
            Value::Array(items) => {
                for item in items {
                    self.members(&format!("{place}/*"), &schema["items"], item);
                }
            }
            Value::Object(members) => self.object(place, schema, members),
            _ => {}
        }
    }

    fn object(&self, place: &str, schema: &Value, members: &Map<String, Value>) {
        let alternatives = schema["oneOf"].as_array();
        let fits = |alternative: &&Value| {
            let required = alternative["required"].as_array().unwrap();
            required
                .iter()
                .all(|name| members.contains_key(name.as_str().unwrap()))
        };
        if let Some(alternatives) = alternatives {
            let fitting = alternatives.iter().find(fits);
            let fitting = fitting.unwrap_or_else(|| panic!("{place}: no alternative"));
            return self.object(place, fitting, members);
        }
        let (mut properties, mut required) = (Map::new(), Vec::new());
        self.collect(schema, &mut properties, &mut required);
        for name in &required {
            assert!(members.contains_key(name), "{place}: {name} is missing");
        }
        for (name, member) in members {
            let place = format!("{place}/{name}");
            let other = &schema["additionalProperties"];
            if let Some(property) = properties.get(name) {
                self.members(&place, property, member);
            } else {
                assert!(other.is_object(), "{place} is not told");
                self.members(&place, other, member);
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
            // The first is the fuller one; a later part only narrows it.
            properties.entry(name).or_insert_with(|| property.clone());
        }
        let names = schema["required"].as_array().into_iter().flatten();
        required.extend(names.map(|name| name.as_str().unwrap().to_owned()));
    }
}

#[tokio::test]
async fn answers_have_the_members_that_the_document_tells() {
    let server = TestServer::start();
    for status in OrderStatus::ALL {
        server.add_order(*status);
    }
    server.store.add_stock("SKU-1", 3);
    server.store.take_up("vendor-a", 1);
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
    ] {
        let head = if body.is_empty() { "" } else { JSON };
        let reply = server.send(method, target, head, body.as_bytes()).await;
        assert_eq!(reply.status, status, "{method} {target}");
        document.check(method, path, &reply);
    }
    let typed = "Content-Type: text/plain\r\n";
    let reply = server.send("POST", "/api/v1/orders", typed, b"{}").await;
    assert_eq!(reply.status, 415);
    document.check("POST", "/api/v1/orders", &reply);
    server.announce_shutdown();
    document.check("POST", "/api/v1/orders", &server.post(ORDER).await);
    document.check("GET", "/readyz", &server.get("/readyz").await);
}

/// The headers by which a path tells its methods, and the document, name the same.
#[tokio::test]
async fn the_document_has_every_method_that_a_path_names() {
    let server = TestServer::start();
    let document = Document::of(&server).await;
    for (path, item) in document.0["paths"].as_object().unwrap() {
        let target = path
            .replace("{id}", "1")
            .replace("{product_id}", "SKU-1")
            .replace("{vendor_id}", "vendor-a")
            .replace("{slug}", "not-found")
            .replace("{file}", "start.js");
        let reply = server.send("OPTIONS", &target, "", b"").await;
        let mut allowed: Vec<String> = reply
            .header("allow")
            .unwrap()
            .split(", ")
            .filter(|method| *method != "OPTIONS")
            .map(str::to_lowercase)
            .collect();
        allowed.sort();
        let methods: Vec<&String> = item.as_object().unwrap().keys().collect();
        let mut methods: Vec<String> = methods.into_iter().cloned().collect();
        methods.sort();
        assert_eq!(methods, allowed, "{path}");
    }
}
