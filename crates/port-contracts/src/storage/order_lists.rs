//! Lists of orders: newest first, by keyset.

use domain::identifiers::OrderId;
use domain::order::{Order, OrderState, OrderStatus, RejectReason};
use domain::ports::OrderFilter;
use domain::settlement::Outcome;

use super::StorageUnderTest;
use crate::builders::{allocation, new_order, product};

/// Creates orders of three products, in every state that is reached without shipping. Returns them oldest first.
async fn unshipped_orders(storage: &StorageUnderTest) -> Vec<Order> {
    storage.stock_up("a", &[("v", 50), ("w", 50)]).await;
    let names = ["a", "b", "c"];
    let requested: Vec<_> = (0..25).map(|it| new_order(names[it % 3], 2)).collect();
    let ids = storage.place_all(&requested).await;
    for (index, &id) in ids.iter().enumerate() {
        match index % 5 {
            0 if index % 3 == 0 => {
                let units = vec![allocation("v", 1), allocation("w", 1)];
                storage.decide(id, Outcome::Confirmed(units)).await;
            }
            1 => {
                let reason = RejectReason::InsufficientStock;
                storage.decide(id, Outcome::Rejected(reason)).await;
            }
            2 => {
                storage.write_state(id, &OrderState::Cancelled).await;
            }
            _ => {}
        }
    }
    let mut orders = Vec::new();
    for id in ids {
        orders.push(storage.order(id).await);
    }
    orders
}

/// Reads pages until one is empty.
async fn all_pages(storage: &StorageUnderTest, filter: &OrderFilter, limit: u32) -> Vec<Order> {
    let mut all: Vec<Order> = Vec::new();
    loop {
        let before = all.last().map(|order| order.id);
        let page = storage
            .orders
            .list_orders(filter, before, limit)
            .await
            .unwrap();
        assert!(page.len() <= usize::try_from(limit).unwrap());
        let continues = page
            .iter()
            .all(|order| before.is_none_or(|id| order.id < id));
        assert!(continues, "a page overlaps the previous one: {filter:?}");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Without a filter all orders are listed, newest first and with their allocations, whatever the size of the pages.
pub async fn orders_are_listed_newest_first_in_pages(storage: &StorageUnderTest) {
    let mut expected = unshipped_orders(storage).await;
    expected.reverse();
    for limit in [1, 7, 25, 1_000] {
        let listed = all_pages(storage, &OrderFilter::default(), limit).await;
        assert_eq!(listed, expected, "in pages of {limit}");
    }
}

/// A page starts below the given order, even if orders were added meanwhile.
pub async fn later_orders_do_not_shift_pages(storage: &StorageUnderTest) {
    let orders = unshipped_orders(storage).await;
    let everything = OrderFilter::default();
    let first = storage.orders.list_orders(&everything, None, 10).await;
    let first = first.unwrap();
    storage.place(new_order("a", 1)).await;
    let before = first.last().map(|order| order.id);
    let second = storage.orders.list_orders(&everything, before, 10).await;
    let mut expected = orders[5..15].to_vec();
    expected.reverse();
    assert_eq!(second.unwrap(), expected);
    let before_all = Some(orders[0].id);
    let none = storage.orders.list_orders(&everything, before_all, 10);
    assert_eq!(none.await.unwrap(), []);
    let before_any = Some(OrderId(i64::MIN));
    let none = storage.orders.list_orders(&everything, before_any, 10);
    assert_eq!(none.await.unwrap(), []);
}

/// Filters by status and product, alone and combined, are paged like the whole list.
pub async fn orders_are_filtered_by_status_and_product(storage: &StorageUnderTest) {
    let orders = unshipped_orders(storage).await;
    let statuses = OrderStatus::ALL.iter().copied().map(Some).chain([None]);
    for status in statuses {
        for name in [Some("a"), Some("b"), Some("unknown"), None] {
            let filter = OrderFilter {
                status,
                product_id: name.map(product),
            };
            let expected: Vec<Order> = orders
                .iter()
                .rev()
                .filter(|order| status.is_none_or(|status| order.state.status() == status))
                .filter(|order| name.is_none_or(|name| order.product_id.as_str() == name))
                .cloned()
                .collect();
            let listed = all_pages(storage, &filter, 3).await;
            assert_eq!(listed, expected, "{filter:?}");
        }
    }
}

/// Existing orders are returned newest first, each once and with their allocations; `find_settled` returns only settled
/// ones.
pub async fn orders_are_found_by_their_ids(storage: &StorageUnderTest) {
    let orders = unshipped_orders(storage).await;
    let some: Vec<Order> = orders.iter().step_by(2).cloned().collect();
    let mut ids: Vec<OrderId> = some.iter().map(|order| order.id).collect();
    ids.extend([OrderId(i64::MAX), OrderId(-1), ids[1]]);
    let mut expected = some;
    expected.reverse();
    assert_eq!(storage.orders.find_orders(&ids).await.unwrap(), expected);
    assert_eq!(storage.orders.find_orders(&[]).await.unwrap(), []);

    expected.retain(|order| order.state.status() != OrderStatus::Pending);
    assert!(!expected.is_empty() && expected.len() < ids.len() - 3);
    assert_eq!(storage.orders.find_settled(&ids).await.unwrap(), expected);
    assert_eq!(storage.orders.find_settled(&[]).await.unwrap(), []);
}
