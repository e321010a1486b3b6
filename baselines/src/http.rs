//! What HTTP and JSON alone cost: the same server and the same body as the service's, and nothing behind them.

use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    product_id: String,
    quantity: u32,
}

/// As many bytes as the service answers with.
#[derive(Serialize)]
struct Answer<'a> {
    id: u64,
    product_id: &'a str,
    quantity: u32,
    status: &'a str,
    reason: Option<&'a str>,
    allocations: [(); 0],
    created_at: &'a str,
    updated_at: &'a str,
}

/// Serves until SIGTERM.
pub(crate) fn serve(port: u16, workers: usize) -> anyhow::Result<()> {
    let server = HttpServer::new(|| {
        App::new()
            .route("/readyz", web::get().to(HttpResponse::Ok))
            .route("/api/v1/order", web::post().to(take))
    })
    .workers(workers)
    .bind(("127.0.0.1", port))
    .with_context(|| format!("cannot listen on port {port}"))?;
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(())
}

async fn take(body: web::Bytes) -> HttpResponse {
    let Ok(wanted) = serde_json::from_slice::<Wanted>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, "/api/v1/orders/1000000"))
        .json(Answer {
            id: 1_000_000,
            product_id: &wanted.product_id,
            quantity: wanted.quantity,
            status: "PENDING",
            reason: None,
            allocations: [],
            created_at: "2026-01-01T00:00:00.000000Z",
            updated_at: "2026-01-01T00:00:00.000000Z",
        })
}
