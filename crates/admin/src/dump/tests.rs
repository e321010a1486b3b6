//! A dump can be read back, and a modified dump is refused.

use std::time::Duration;

use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId, ProductId, VendorId};
use domain::order::{OrderRequest, OrderStatus, RejectReason};
use domain::ports::{
    AllocationRecord, KeyRecord, OrderRecord, ProductRecord, SyncOutcome, SyncRecord, VendorRecord,
    VendorStockRecord,
};
use domain::quantity::Quantity;
use domain::run::RunDetails;
use domain::timestamp::Timestamp;

use super::*;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn examples() -> Vec<TransferRecord> {
    let vendor_id = VendorId::parse("vendor \"a\"\u{e4}").unwrap();
    let product_id = ProductId::parse("p").unwrap();
    let sync = SyncRecord {
        outcome: SyncOutcome::Failed,
        took: Duration::from_millis(12),
        received: 1,
        changed: 2,
        error: Some("away".to_owned()),
        details: RunDetails::default(),
    };
    let order = OrderRecord {
        id: OrderId(7),
        request: OrderRequest {
            product_id: product_id.clone(),
            quantity: Quantity::parse(3).unwrap(),
        },
        status: OrderStatus::Shipped,
        reason: None,
        created_at: at(4),
        updated_at: at(5),
        allocations: vec![AllocationRecord {
            vendor_id: vendor_id.clone(),
            quantity: Quantity::parse(3).unwrap(),
            shipped_at: Some(at(5)),
            known_as_of: None,
        }],
    };
    let rejected = OrderRecord {
        id: OrderId(8),
        status: OrderStatus::Rejected,
        reason: Some(RejectReason::Manual),
        allocations: Vec::new(),
        ..order.clone()
    };
    vec![
        TransferRecord::Vendor(VendorRecord {
            vendor_id: vendor_id.clone(),
            configured: true,
            applied_as_of: Some(at(1)),
            full_as_of: None,
            last_sync: Some((at(2), sync)),
        }),
        TransferRecord::Product(ProductRecord {
            product_id,
            quantity: 5,
            updated_at: at(3),
            positions: vec![VendorStockRecord {
                vendor_id,
                reported: 8,
                in_flight: 3,
                as_of: at(1),
                is_expired: true,
            }],
        }),
        TransferRecord::Order(order),
        TransferRecord::Order(rejected),
        TransferRecord::Key(KeyRecord {
            key: IdempotencyKey::parse("", "k").unwrap(),
            order_id: OrderId(7),
            created_at: at(4),
            batch: None,
        }),
        TransferRecord::Key(KeyRecord {
            key: IdempotencyKey::parse("", "l").unwrap().of_item(1),
            order_id: OrderId(8),
            created_at: at(4),
            batch: Some(BatchDigest::parse("p+p").unwrap()),
        }),
    ]
}

fn written(dir: &Path) -> PathBuf {
    let path = dir.join("dump.ndjson");
    let mut writer = DumpWriter::create(&path).unwrap();
    for record in examples() {
        writer.write(&record).unwrap();
    }
    assert!(!path.exists(), "an incomplete file has the final name");
    let summary = writer.finish().unwrap();
    assert_eq!((summary.records(), summary.orders), (6, 2));
    path
}

fn read(path: &Path, skipped: u64) -> Vec<TransferRecord> {
    let read: Result<_> = records(path, skipped).unwrap().collect();
    read.unwrap()
}

#[test]
fn written_records_can_be_read_from_any_position() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    assert_eq!(check(&path).unwrap().records(), 6);
    assert_eq!(read(&path, 0), examples());
    assert_eq!(read(&path, 3), examples()[3..]);
    assert_eq!(read(&path, 6), []);
    assert!(DumpWriter::create(&path).is_err(), "a file was overwritten");
}

#[test]
fn truncated_or_modified_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path());
    let complete = std::fs::read_to_string(&path).unwrap();
    let truncated = complete.rsplit_once("{\"end\"").unwrap().0;
    let changed = complete.replace("\"quantity\":3", "\"quantity\":4");
    let shorter = complete.split_once('\n').unwrap().1;
    for (text, expected) in [
        (truncated, "incomplete"),
        (&changed, "checksum"),
        (shorter, "checksum"),
        ("{\"end\":{\"vendors\":1}}\n", "invalid summary"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = check(&path).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}
