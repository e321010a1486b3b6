//! Units of work over the fake store. They write at once: that a dropped one undoes its writes is for the port
//! contracts to show.

use std::sync::Arc;

use domain::identifiers::VendorId;
use domain::order::OrderState;
use domain::ports::{Acceptance, MockUnitOfWork, NewOrder};
use domain::stock::{ProductStock, VendorStock};
use domain::timestamp::Timestamp;

use crate::fake_store::{FakeStore, Rows};

pub(crate) fn over(store: &FakeStore) -> MockUnitOfWork {
    let mut work = MockUnitOfWork::new();
    let rows = Arc::clone(&store.0);
    work.expect_accept().returning(move |orders| {
        let mut rows = rows.lock().unwrap();
        Ok(orders
            .iter()
            .map(|order| accept(&mut rows, order))
            .collect())
    });
    let rows = Arc::clone(&store.0);
    work.expect_lock_order().returning(move |id| {
        let rows = rows.lock().unwrap();
        Ok(rows.orders.iter().find(|order| order.id == id).cloned())
    });
    let rows = Arc::clone(&store.0);
    work.expect_save_state().returning(move |id, state| {
        let mut rows = rows.lock().unwrap();
        let now = rows.now();
        let order = rows.orders.iter_mut().find(|order| order.id == id).unwrap();
        order.state = state.clone();
        order.updated_at = now;
        Ok(order.clone())
    });
    work.expect_lock_stock().returning(|ids| {
        let position = VendorStock {
            vendor_id: VendorId::parse("vendor-a").unwrap(),
            reported: 100,
            in_flight: 100,
            as_of: Timestamp::from_micros(0),
            configured: true,
        };
        let stock = ids.iter().map(|id| ProductStock {
            product_id: id.clone(),
            vendors: vec![position.clone()],
        });
        Ok(stock.collect())
    });
    work.expect_save_stock().returning(|_| Ok(()));
    work.expect_commit().returning(|| Ok(()));
    work
}

fn accept(rows: &mut Rows, new: &NewOrder) -> Acceptance {
    let known = new.key.as_ref().and_then(|key| rows.keys.get(key)).copied();
    if let Some(id) = known {
        let order = rows.orders.iter().find(|order| order.id == id).unwrap();
        return Acceptance::Existing(order.clone());
    }
    let order = rows.add_order(new.request.clone(), OrderState::Pending);
    if let Some(key) = &new.key {
        rows.keys.insert(key.clone(), order.id);
    }
    Acceptance::Created(order)
}
