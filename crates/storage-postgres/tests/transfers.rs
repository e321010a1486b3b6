//! Tests moving a deployment into the database: completely and once, with interruptions.

#![allow(clippy::unwrap_used, reason = "tests panic on failure")]

use std::time::Duration;

use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId};
use domain::order::{OrderStatus, RejectReason};
use domain::ports::{
    Acceptance, AllocationRecord, AuditQueries as _, KeyRecord, OrderRecord, OutboxEntry,
    ProductRecord, Store as _, SyncOutcome, SyncRecord, TransferError, TransferRecord,
    TransferSource as _, TransferTarget as _, VendorRecord, VendorStockRecord,
};
use domain::run::RunDetails;
use domain::timestamp::Timestamp;
use port_contracts::builders::{keyed_order, product, quantity, request, vendor};
use storage_postgres::PgStore;
use storage_postgres::test_database::TestDatabase;

const NAME: &str = "a move";

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000 + second * 1_000_000)
}

fn allocation(vendor_id: &str, units: u32) -> AllocationRecord {
    AllocationRecord {
        vendor_id: vendor(vendor_id),
        quantity: quantity(units),
        shipped_at: None,
        known_as_of: None,
    }
}

fn order(id: i64, units: u32, status: OrderStatus) -> OrderRecord {
    let is_allocated = matches!(
        status,
        OrderStatus::Confirmed | OrderStatus::Shipped | OrderStatus::Delivered
    );
    let shipped_at = (is_allocated && status != OrderStatus::Confirmed).then(|| at(id));
    OrderRecord {
        id: OrderId(id),
        request: request("p", units),
        status,
        reason: (status == OrderStatus::Rejected).then_some(RejectReason::Manual),
        created_at: at(1),
        updated_at: at(id),
        allocations: is_allocated
            .then(|| AllocationRecord {
                shipped_at,
                known_as_of: (status == OrderStatus::Delivered).then(|| at(id + 1)),
                ..allocation("v", units)
            })
            .into_iter()
            .collect(),
    }
}

/// Vendors, products, an order in each state, and a key.
fn deployment() -> Vec<TransferRecord> {
    let sync = SyncRecord {
        outcome: SyncOutcome::Applied,
        took: Duration::from_millis(7),
        received: 2,
        changed: 1,
        error: None,
        details: RunDetails::default(),
    };
    let vendors = [("u", None), ("v", Some((at(3), sync)))].map(|(id, last_sync)| {
        TransferRecord::Vendor(VendorRecord {
            vendor_id: vendor(id),
            configured: last_sync.is_some(),
            applied_as_of: last_sync.as_ref().map(|_| at(7)),
            full_as_of: None,
            last_sync,
        })
    });
    // Confirmed 2 and shipped 3 units are in flight, delivered units are included in a report; the units of q have
    // expired.
    let rows = [
        ("B", 0, Vec::new()),
        ("p", 5, vec![(10, 5)]),
        ("q", 0, vec![(4, 0)]),
    ];
    let products = rows.map(|(id, units, positions)| {
        let positions = positions
            .into_iter()
            .map(|(reported, in_flight)| VendorStockRecord {
                vendor_id: vendor("v"),
                reported,
                in_flight,
                as_of: at(2),
                is_expired: in_flight == 0,
            });
        TransferRecord::Product(ProductRecord {
            product_id: product(id),
            quantity: units,
            updated_at: at(2),
            positions: positions.collect(),
        })
    });
    let orders = [
        order(3, 1, OrderStatus::Pending),
        order(4, 2, OrderStatus::Confirmed),
        order(5, 3, OrderStatus::Shipped),
        order(6, 4, OrderStatus::Delivered),
        order(8, 1, OrderStatus::Rejected),
        order(9, 1, OrderStatus::Cancelled),
    ];
    let key = TransferRecord::Key(KeyRecord {
        key: IdempotencyKey::parse("", "k").unwrap(),
        order_id: OrderId(4),
        created_at: at(1),
        batch: None,
    });
    let of_batch = TransferRecord::Key(KeyRecord {
        key: IdempotencyKey::parse("", "l").unwrap(),
        order_id: OrderId(5),
        created_at: at(1),
        batch: Some(BatchDigest::parse("p+p").unwrap()),
    });
    vendors
        .into_iter()
        .chain(products)
        .chain(orders.map(TransferRecord::Order))
        .chain([key, of_batch])
        .collect()
}

async fn append(store: &PgStore, from: usize, to: usize) -> Result<(), TransferError> {
    let part = deployment()[from..to].to_vec();
    store.append(NAME, from as u64, part).await
}

#[tokio::test]
async fn the_moved_data_is_complete_and_usable() {
    let database = TestDatabase::create().await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    let all = deployment().len();
    assert_eq!(store.resume(NAME).await.unwrap().records, 0);
    append(&store, 0, 5).await.unwrap();
    // After an interruption, `resume` returns the number of stored records.
    assert_eq!(store.resume(NAME).await.unwrap().records, 5);
    append(&store, 5, all).await.unwrap();
    store.finish(NAME).await.unwrap();
    let progress = store.resume(NAME).await.unwrap();
    assert_eq!((progress.records, progress.finished), (all as u64, true));

    let mut reader = store.read_all().await.unwrap();
    let mut read = Vec::new();
    loop {
        let page = reader.next(2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert!(page.len() <= 2);
        read.extend(page);
    }
    assert_eq!(read, deployment());
    drop(reader);
    assert_eq!(store.audit().await.unwrap(), []);

    let mut work = store.begin().await.unwrap();
    let waiting = work.claim(10, Duration::from_secs(1)).await.unwrap();
    let waiting: Vec<OrderId> = waiting.iter().flat_map(OutboxEntry::order_ids).collect();
    assert_eq!(waiting, [OrderId(3)]);
    let orders = [keyed_order("p", 2, "k"), keyed_order("p", 2, "new")];
    match work.accept(&orders).await.unwrap().as_slice() {
        [Acceptance::Existing(known), Acceptance::Created(new)] => {
            assert_eq!(known.id, OrderId(4));
            assert!(new.id > OrderId(9));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_are_stored_once() {
    let database = TestDatabase::create().await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    store.resume(NAME).await.unwrap();
    append(&store, 0, 5).await.unwrap();
    let again = append(&store, 0, 5).await.unwrap_err();
    assert!(
        matches!(
            again,
            TransferError::Overtaken {
                expected: 0,
                found: 5
            }
        ),
        "{again}"
    );
    // A record that cannot be written fails its whole part, which can be repeated.
    let mut part = deployment()[5..7].to_vec();
    part.push(part[0].clone());
    let refused = store.append(NAME, 5, part).await.unwrap_err();
    assert!(matches!(refused, TransferError::Store(_)), "{refused}");
    assert_eq!(store.resume(NAME).await.unwrap().records, 5);
    append(&store, 5, 7).await.unwrap();
}

#[tokio::test]
async fn a_store_that_has_data_or_is_in_use_is_rejected() {
    let database = TestDatabase::create().await.unwrap();
    let store = PgStore::new(database.options()).unwrap();
    store.resume(NAME).await.unwrap();
    append(&store, 0, 5).await.unwrap();
    let other = store.resume("another move").await.unwrap_err();
    assert!(matches!(other, TransferError::NotEmpty), "{other}");

    let mut options = database.options().clone();
    options.application_name = "order-aggregator-worker".to_owned();
    let worker = PgStore::new(&options).unwrap();
    let work = worker.begin().await.unwrap();
    let in_use = store.resume(NAME).await.unwrap_err();
    assert!(matches!(in_use, TransferError::InUse(1)), "{in_use}");
    drop(work);
}
