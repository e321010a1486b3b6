//! Orders three units of a product, waits until that is decided, and looks what is left. A second run finds the same order.

use client::{Client, ClientError, NewOrder, PlaceOptions, ProblemKind};

/// Returns the order as it was settled.
pub async fn order_three(url: &str) -> Result<client::Order, ClientError> {
    let shop = Client::new(url)?;
    let options = PlaceOptions {
        // With a key of its own, an order that had no answer can be sent again and is still one order.
        idempotency_key: Some("basket-4711"),
        // Longer than it takes: as a rule the answer comes within milliseconds.
        wait_s: Some(30),
    };
    let order = shop.place(&NewOrder::new("1", 3), &options).await?.order;
    match shop.stock("1").await {
        Ok(stock) => println!("{}: {} units are left", order.status, stock.level.quantity),
        Err(error) if error.kind() == Some(&ProblemKind::NotFound) => println!("nobody sells it"),
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
