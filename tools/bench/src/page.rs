//! Pages of the measured service.

use anyhow::{Context, Result};
use client::{Client, OrderFilter, OrderStatus};

/// Returns whether no order is `PENDING`.
pub(super) async fn all_settled(api: &Client) -> Result<bool> {
    let pending = OrderFilter {
        status: Some(OrderStatus::Pending),
        ..OrderFilter::default()
    };
    let page = api.orders_page(pending, Some(1), None).await?;
    Ok(page.items.is_empty())
}

/// Returns the cursor of the page that starts `orders` orders below the newest one.
pub(super) async fn cursor_after(api: &Client, orders: u64) -> Result<String> {
    const PAGE_SIZE: u32 = 1000;
    let mut cursor = None;
    for _ in 0..orders.div_ceil(PAGE_SIZE.into()).max(1) {
        let filter = OrderFilter::default();
        let page = api.orders_page(filter, Some(PAGE_SIZE), cursor.as_deref());
        cursor = page.await?.next_cursor;
    }
    cursor.context("the list is shorter than it should be")
}
