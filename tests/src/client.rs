//! A REST consumer.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::events::Events;

/// An order as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: i64,
    /// Of which product.
    pub product_id: String,
    /// Its status.
    pub status: String,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// How many units.
    pub quantity: i64,
    /// Vendors and units.
    pub allocations: Vec<(String, i64)>,
}

impl Order {
    pub(crate) fn read(value: &Value) -> Self {
        let allocations = value["allocations"]
            .as_array()
            .expect("an order has allocations")
            .iter()
            .map(|allocation| {
                (
                    allocation["vendor_id"].as_str().unwrap().to_owned(),
                    allocation["quantity"].as_i64().unwrap(),
                )
            })
            .collect();
        Self {
            id: value["id"].as_i64().expect("an order has an id"),
            product_id: value["product_id"].as_str().unwrap().to_owned(),
            status: value["status"].as_str().unwrap().to_owned(),
            reason: value["reason"].as_str().map(str::to_owned),
            quantity: value["quantity"].as_i64().unwrap(),
            allocations,
        }
    }
}

/// Talks to one API process.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        // The HTTP client wants one even for plain HTTP; a second call finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { base, http }
    }

    /// `POST /api/v1/order`, with whatever answer.
    pub async fn try_order(
        &self,
        product_id: &str,
        quantity: i64,
        key: Option<&str>,
    ) -> reqwest::Result<Response> {
        let mut request = self
            .http
            .post(format!("{}/api/v1/order", self.base))
            .json(&json!({"product_id": product_id, "quantity": quantity}));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        request.send().await
    }

    /// The same, which must be answered with 202.
    pub async fn order(&self, product_id: &str, quantity: i64) -> Order {
        let answer = self.try_order(product_id, quantity, None).await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        Order::read(&answer.json().await.unwrap())
    }

    /// `POST /api/v1/orders` of a client that would wait so long for settlement, with whatever answer.
    pub async fn order_and_wait(
        &self,
        product_id: &str,
        quantity: i64,
        wait_s: u32,
    ) -> (StatusCode, Order) {
        let request = self
            .http
            .post(format!("{}/api/v1/orders", self.base))
            .header("Prefer", format!("wait={wait_s}"))
            .json(&json!({"product_id": product_id, "quantity": quantity}));
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let applied = answer.headers().get("preference-applied");
        assert_eq!(applied.is_some(), status == StatusCode::CREATED);
        (status, Order::read(&answer.json().await.unwrap()))
    }

    /// `GET /api/v1/events`, from an event on or from now.
    pub async fn events(&self, last_event_id: Option<&str>) -> Events {
        let mut request = self.http.get(format!("{}/api/v1/events", self.base));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        Events::new(answer)
    }

    /// `GET /api/v1/orders/{id}`.
    pub async fn find_order(&self, id: i64) -> Order {
        Order::read(&self.get(&format!("/api/v1/orders/{id}")).await)
    }

    /// Waits until an order is no longer `PENDING`.
    pub async fn settled(&self, id: i64) -> Order {
        crate::eventually(&format!("order {id} is settled"), async || {
            let order = self.find_order(id).await;
            (order.status != "PENDING").then_some(order)
        })
        .await
    }

    /// Waits until no order is `PENDING`.
    pub async fn all_settled(&self) {
        crate::eventually("no order is PENDING", async || {
            let pending = "/api/v1/orders?status=PENDING&limit=1";
            let page: Value = self.try_get(pending).await.ok()?.json().await.ok()?;
            page["items"].as_array()?.is_empty().then_some(())
        })
        .await;
    }

    /// `PATCH /api/v1/orders/{id}`: the status code and the body.
    pub async fn patch(&self, id: i64, status: &str) -> (StatusCode, Value) {
        let answer = self
            .http
            .patch(format!("{}/api/v1/orders/{id}", self.base))
            .json(&json!({"status": status}))
            .send()
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// What can be sold of a product; 0 for one that is not known.
    pub async fn quantity(&self, product_id: &str) -> i64 {
        let path = format!("{}/api/v1/stock/{product_id}", self.base);
        let answer = self.http.get(path).send().await.unwrap();
        if answer.status() == StatusCode::NOT_FOUND {
            return 0;
        }
        let body: Value = answer.json().await.unwrap();
        body["quantity"].as_i64().unwrap()
    }

    /// `GET` of a path, which must be answered with 200 and JSON.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "GET {path}");
        answer.json().await.unwrap()
    }

    /// `GET` of a path, with whatever answer.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Response> {
        self.http.get(format!("{}{path}", self.base)).send().await
    }

    /// All orders, newest first, page by page.
    pub async fn all_orders(&self) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut path = "/api/v1/orders?limit=1000".to_owned();
        loop {
            let page = self.get(&path).await;
            orders.extend(page["items"].as_array().unwrap().iter().map(Order::read));
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/v1/orders?limit=1000&cursor={cursor}"),
                None => return orders,
            }
        }
    }
}
