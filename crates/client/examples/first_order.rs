//! Orders three units of a product, waits for the settlement and prints the remaining stock. A second run returns the same
//! order.

use client::{Client, ClientError, NewOrder, PlaceOptions, ProblemKind};

/// Places an order of three units of product `1` and returns it once it is settled.
pub async fn order_three(url: &str) -> Result<client::Order, ClientError> {
    let shop = Client::new(url)?;
    let options = PlaceOptions {
        // With an idempotency key, a request that got no response can be repeated without creating a second order.
        idempotency_key: Some("basket-4711"),
        // An upper bound in seconds: orders are usually settled within milliseconds.
        wait_s: Some(30),
    };
    let order = shop.place(&NewOrder::new("1", 3), &options).await?.order;
    match shop.stock("1").await {
        Ok(stock) => println!("{}: {} units are left", order.status, stock.level.quantity),
        Err(error) if error.kind() == Some(&ProblemKind::NotFound) => println!("not for sale"),
        Err(error) => return Err(error),
    }
    Ok(order)
}

#[tokio::main]
#[allow(dead_code, reason = "the end-to-end tests call the function above")]
async fn main() -> Result<(), ClientError> {
    let order = order_three("http://localhost:3000").await?;
    println!("{order:?}");
    Ok(())
}
