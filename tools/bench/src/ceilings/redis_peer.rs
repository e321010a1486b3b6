//! A design of many shops for flash sales: the bare handler of `http`, with the decision as a script in Redis.
//!
//! One script per order deducts the units if enough are left, and appends the order to a stream. The response follows the
//! script, so it has the durability of the Redis server.

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio::sync::OnceCell;

use crate::http::{OrderRequest, OrderResponse};

const SCRIPT: &str = "
local status = 'REJECTED'
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[2]) then
    redis.call('DECRBY', KEYS[1], ARGV[2])
    status = 'CONFIRMED'
end
local id = redis.call('XADD', KEYS[2], '*', 'product', ARGV[1], 'quantity', ARGV[2], 'status', status)
return {id, status}";
/// Key of the stream of orders.
const ORDERS: &str = "orders";
/// Number of products in stock, from SKU-1, and units of each: more than any run sells.
const PRODUCTS: u32 = 1_000;
const UNITS: u32 = 2_000_000_000;
/// Enough for all requests of a load to share one write to the connection.
const PIPELINE: usize = 1024;

/// Connection of one HTTP thread, opened by its first request.
struct Shop {
    client: Client,
    session: OnceCell<Session>,
}

#[derive(Clone)]
struct Session {
    connection: MultiplexedConnection,
    /// Hash of the script.
    script: String,
}

/// Serves until SIGTERM. Redis is at 127.0.0.1.
pub(crate) fn serve(port: u16, workers: usize, redis_port: u16) -> anyhow::Result<()> {
    let client = Client::open(format!("redis://127.0.0.1:{redis_port}"))?;
    let server = HttpServer::new(move || {
        let shop = Shop {
            client: client.clone(),
            session: OnceCell::new(),
        };
        App::new()
            .app_data(web::Data::new(shop))
            .route("/readyz", web::get().to(is_ready))
            .route("/api/v1/order", web::post().to(settle_order))
    })
    .workers(workers)
    .bind(("127.0.0.1", port))
    .with_context(|| format!("cannot listen on port {port}"))?;
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(())
}

impl Shop {
    async fn session(&self) -> RedisResult<Session> {
        let opened = self.session.get_or_try_init(|| open(&self.client));
        opened.await.cloned()
    }
}

/// Connects, and adds the stock unless it exists.
async fn open(client: &Client) -> RedisResult<Session> {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(PIPELINE);
    let opening = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = opening.await?;
    let mut stock = redis::cmd("MSETNX");
    for number in 1..=PRODUCTS {
        stock.arg(stock_key(&format!("SKU-{number}"))).arg(UNITS);
    }
    stock.exec_async(&mut connection).await?;
    let mut load = redis::cmd("SCRIPT");
    let script = load.arg("LOAD").arg(SCRIPT);
    let script = script.query_async(&mut connection).await?;
    Ok(Session { connection, script })
}

fn stock_key(product: &str) -> String {
    format!("stock:{product}")
}

async fn is_ready(shop: web::Data<Shop>) -> HttpResponse {
    match shop.session().await {
        Ok(_) => HttpResponse::Ok().finish(),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

async fn settle_order(shop: web::Data<Shop>, body: web::Bytes) -> HttpResponse {
    let Ok(order) = serde_json::from_slice::<OrderRequest>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    match settle(&shop, &order).await {
        Ok((id, status)) => OrderResponse::new(id.as_str(), &order, &status).created(&id),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// Returns the order's id and status.
async fn settle(shop: &Shop, order: &OrderRequest) -> RedisResult<(String, String)> {
    let mut session = shop.session().await?;
    let mut call = redis::cmd("EVALSHA");
    let call = call.arg(&session.script).arg(2);
    let call = call.arg(stock_key(&order.product_id)).arg(ORDERS);
    let call = call.arg(&order.product_id).arg(order.quantity);
    call.query_async(&mut session.connection).await
}
