//! Cost of HTTP and JSON alone: the same server library and the same bodies as the service, without storage or queue.

use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpResponseBuilder, HttpServer, web};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderRequest {
    pub(crate) product_id: String,
    pub(crate) quantity: u32,
}

/// Same size as the service's response.
#[derive(Serialize)]
pub(crate) struct OrderResponse<'a, Id> {
    id: Id,
    product_id: &'a str,
    quantity: u32,
    status: &'a str,
    reason: Option<&'a str>,
    allocations: [(); 0],
    created_at: &'a str,
    updated_at: &'a str,
}

impl<'a, Id: Serialize> OrderResponse<'a, Id> {
    pub(crate) fn new(id: Id, order: &'a OrderRequest, status: &'a str) -> Self {
        Self {
            id,
            product_id: &order.product_id,
            quantity: order.quantity,
            status,
            reason: None,
            allocations: [],
            created_at: "2026-01-01T00:00:00.000000Z",
            updated_at: "2026-01-01T00:00:00.000000Z",
        }
    }

    /// Returns the response for an order that is settled.
    pub(crate) fn created(&self, id: &str) -> HttpResponse {
        self.respond(HttpResponse::Created(), id)
    }

    fn respond(&self, mut response: HttpResponseBuilder, id: &str) -> HttpResponse {
        let location = format!("/api/v1/orders/{id}");
        response
            .insert_header((header::LOCATION, location))
            .json(self)
    }
}

/// Serves until SIGTERM.
pub(crate) fn serve(port: u16, workers: usize) -> anyhow::Result<()> {
    let server = HttpServer::new(|| {
        App::new()
            .route("/readyz", web::get().to(HttpResponse::Ok))
            .route("/api/v1/order", web::post().to(accept_order))
    })
    .workers(workers)
    .bind(("127.0.0.1", port))
    .with_context(|| format!("cannot listen on port {port}"))?;
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(())
}

async fn accept_order(body: web::Bytes) -> HttpResponse {
    let Ok(order) = serde_json::from_slice::<OrderRequest>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    OrderResponse::new(1_000_000, &order, "PENDING").respond(HttpResponse::Accepted(), "1000000")
}
