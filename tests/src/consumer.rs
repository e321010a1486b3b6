//! A REST consumer: the project's typed client, helpers that wait for a state, and raw requests.

use std::fmt::Debug;
use std::str::FromStr;
use std::time::Duration;

use client::{
    Client, ClientError, NewOrder, Order, OrderFilter, OrderStatus, PlaceOptions, Placed,
    ProblemKind,
};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::events::Events;

/// A client of one process.
#[derive(Clone)]
pub struct Consumer {
    /// The typed client.
    pub api: Client,
    base: String,
    http: reqwest::Client,
}

impl Consumer {
    /// Returns a client of the process that listens on this loopback port.
    pub(crate) fn new(port: u16, key: Option<&str>) -> Self {
        let base = format!("http://127.0.0.1:{port}");
        let mut api = Client::builder(&base);
        if let Some(key) = key {
            api = api.api_key(key);
        }
        let api = api.build().unwrap();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { api, base, http }
    }

    /// Returns the URL of the process, without a path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Places an order and returns any outcome.
    pub async fn try_place(
        &self,
        product_id: &str,
        quantity: u32,
        key: Option<&str>,
    ) -> Result<Placed, ClientError> {
        let options = PlaceOptions {
            idempotency_key: key,
            ..PlaceOptions::default()
        };
        let order = NewOrder::new(product_id, quantity);
        self.api.place(&order, &options).await
    }

    /// Places an order that must be accepted.
    pub async fn place(&self, product_id: &str, quantity: u32) -> Order {
        let placed = self.try_place(product_id, quantity, None).await.unwrap();
        assert!(!placed.replayed && !placed.waited);
        placed.order
    }

    /// Places an order and waits up to `wait_s` seconds for its settlement.
    pub async fn place_and_wait(&self, product_id: &str, quantity: u32, wait_s: u32) -> Placed {
        let options = PlaceOptions {
            wait_s: Some(wait_s),
            ..PlaceOptions::default()
        };
        let order = NewOrder::new(product_id, quantity);
        self.api.place(&order, &options).await.unwrap()
    }

    /// Opens `GET /api/v1/events`, from the event after `last_event_id` or from now.
    pub async fn events(&self, last_event_id: Option<&str>) -> Events {
        let request = self.http.get(format!("{}/api/v1/events", self.base));
        // The stream is endless.
        let mut request = request.timeout(Duration::from_mins(10));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Events::new(response)
    }

    /// Returns the current state of an order.
    pub async fn order(&self, id: i64) -> Order {
        self.api.order(id).await.unwrap().order
    }

    /// Waits until an order is no longer `PENDING`.
    pub async fn settled(&self, id: i64) -> Order {
        crate::eventually(&format!("order {id} is settled"), async || {
            let order = self.order(id).await;
            (order.status != OrderStatus::Pending).then_some(order)
        })
        .await
    }

    /// Places an order and returns it once it is settled.
    pub async fn place_settled(&self, product_id: &str, quantity: u32) -> Order {
        self.settled(self.place(product_id, quantity).await.id)
            .await
    }

    /// Places an order that must be confirmed.
    pub async fn place_confirmed(&self, product_id: &str, quantity: u32) -> Order {
        let order = self.place_settled(product_id, quantity).await;
        assert_eq!(order.status, OrderStatus::Confirmed, "{order:?}");
        order
    }

    /// Waits until no order is `PENDING`.
    pub async fn all_settled(&self) {
        let pending = OrderFilter {
            status: Some(OrderStatus::Pending),
            product_id: None,
        };
        crate::eventually("no order is PENDING", async || {
            let page = self.api.orders_page(pending.clone(), Some(1), None).await;
            page.ok()?.items.is_empty().then_some(())
        })
        .await;
    }

    /// Changes an order's status and returns any outcome.
    pub async fn change(&self, id: i64, status: OrderStatus) -> Result<Order, ClientError> {
        let changed = self.api.change_status(id, status, None).await;
        changed.map(|changed| changed.order)
    }

    /// Returns the available quantity of a product; 0 for an unknown product.
    pub async fn quantity(&self, product_id: &str) -> i64 {
        match self.api.stock(product_id).await {
            Ok(stock) => stock.level.quantity.try_into().unwrap(),
            Err(error) if error.kind() == Some(&ProblemKind::NotFound) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until a product has this available quantity.
    pub async fn wait_for_quantity(&self, product_id: &str, quantity: i64) {
        let condition = format!("{quantity} units of {product_id} are available");
        crate::eventually(&condition, async || {
            (self.quantity(product_id).await == quantity).then_some(())
        })
        .await;
    }

    /// Returns all orders, newest first.
    pub async fn all_orders(&self) -> Vec<Order> {
        let orders = self.api.orders(OrderFilter::default());
        orders.collect().await.unwrap()
    }

    /// Sends `PATCH` of an order with any status value. Returns the status code and the body.
    pub async fn patch(&self, id: i64, status: &str) -> (StatusCode, Value) {
        let path = format!("{}/api/v1/orders/{id}", self.base);
        let change = self.http.patch(path).json(&json!({"status": status}));
        let response = change.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    /// Sends `GET` of a path. The response must be 200 with a JSON body.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.try_get(path).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "GET {path}");
        response.json().await.unwrap()
    }

    /// Returns the status code and the body of `/readyz`.
    pub async fn readiness(&self) -> (u16, Value) {
        let response = self.try_get("/readyz").await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Returns the value of a metric. `name` includes the labels.
    pub async fn metric<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        let page = self.try_get("/metrics").await.unwrap().text().await;
        let page = page.unwrap();
        let mut samples = page.lines().filter_map(|line| line.rsplit_once(' '));
        let found = samples.find(|(found, _)| *found == name);
        let (_, value) = found.unwrap_or_else(|| panic!("{name} is not in:\n{page}"));
        value.parse().unwrap()
    }

    /// Sends `GET` of a path and returns any response.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Response> {
        self.http.get(format!("{}{path}", self.base)).send().await
    }
}

/// Returns the allocated quantity by vendor of an order.
#[must_use]
pub fn allocated(order: &Order) -> Vec<(&str, u32)> {
    let allocations = order.allocations.iter();
    allocations
        .map(|allocation| (allocation.vendor_id.as_str(), allocation.quantity))
        .collect()
}

/// Returns the units of a product in confirmed orders.
#[must_use]
pub fn sold(orders: &[Order], product_id: &str) -> i64 {
    let sold = orders
        .iter()
        .filter(|order| order.status == OrderStatus::Confirmed && order.product_id == product_id);
    sold.map(|order| i64::from(order.quantity)).sum()
}

/// Returns the number of orders with a status.
#[must_use]
pub fn count(orders: &[Order], status: OrderStatus) -> usize {
    orders.iter().filter(|order| order.status == status).count()
}
