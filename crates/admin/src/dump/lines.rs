//! JSON representation of the lines of a dump.

use std::time::Duration;

use anyhow::{Context, Result};
use domain::identifiers::{BatchDigest, IdempotencyKey, OrderId, ProductId, VendorId};
use domain::order::{OrderRequest, OrderStatus, RejectReason};
use domain::ports::{
    AllocationRecord, KeyRecord, OrderRecord, ProductRecord, SyncOutcome, SyncRecord,
    TransferRecord, VendorRecord, VendorStockRecord,
};
use domain::quantity::Quantity;
use domain::run::RunDetails;
use domain::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::Summary;

/// A line. Timestamps are microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Vendor(VendorLine),
    Product(ProductLine),
    Order(OrderLine),
    Key(KeyLine),
    End(Summary),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VendorLine {
    vendor_id: String,
    configured: bool,
    applied_as_of: Option<i64>,
    full_as_of: Option<i64>,
    last_sync: Option<SyncLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SyncLine {
    outcome: String,
    finished_at: i64,
    duration_ms: u64,
    received: u64,
    changed: u64,
    error: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductLine {
    product_id: String,
    quantity: u64,
    updated_at: i64,
    vendors: Vec<PositionLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PositionLine {
    vendor_id: String,
    reported: u32,
    in_flight: u32,
    as_of: i64,
    /// Omitted if false, so that versions without this member can read the line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_expired: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderLine {
    id: i64,
    product_id: String,
    quantity: i64,
    status: String,
    reason: Option<String>,
    created_at: i64,
    updated_at: i64,
    allocations: Vec<AllocationLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllocationLine {
    vendor_id: String,
    quantity: i64,
    shipped_at: Option<i64>,
    known_as_of: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyLine {
    scope: String,
    key: String,
    order_id: i64,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch_digest: Option<String>,
}

impl From<&TransferRecord> for Line {
    fn from(record: &TransferRecord) -> Self {
        match record {
            TransferRecord::Vendor(record) => Self::Vendor(record.into()),
            TransferRecord::Product(record) => Self::Product(record.into()),
            TransferRecord::Order(record) => Self::Order(record.into()),
            TransferRecord::Key(record) => Self::Key(KeyLine {
                scope: record.key.scope().to_owned(),
                key: record.key.key().to_owned(),
                order_id: record.order_id.0,
                created_at: record.created_at.as_micros(),
                batch_digest: record.batch.as_ref().map(|it| it.as_str().to_owned()),
            }),
        }
    }
}

impl From<&VendorRecord> for VendorLine {
    fn from(record: &VendorRecord) -> Self {
        let last_sync = record
            .last_sync
            .as_ref()
            .map(|(finished_at, sync)| SyncLine {
                outcome: sync.outcome.to_string(),
                finished_at: finished_at.as_micros(),
                duration_ms: u64::try_from(sync.took.as_millis()).unwrap_or(u64::MAX),
                received: sync.received,
                changed: sync.changed,
                error: sync.error.clone(),
            });
        Self {
            vendor_id: record.vendor_id.as_str().to_owned(),
            configured: record.configured,
            applied_as_of: record.applied_as_of.map(Timestamp::as_micros),
            full_as_of: record.full_as_of.map(Timestamp::as_micros),
            last_sync,
        }
    }
}

impl From<&ProductRecord> for ProductLine {
    fn from(record: &ProductRecord) -> Self {
        let positions = record.positions.iter().map(|position| PositionLine {
            vendor_id: position.vendor_id.as_str().to_owned(),
            reported: position.reported,
            in_flight: position.in_flight,
            as_of: position.as_of.as_micros(),
            is_expired: position.is_expired,
        });
        Self {
            product_id: record.product_id.as_str().to_owned(),
            quantity: record.quantity,
            updated_at: record.updated_at.as_micros(),
            vendors: positions.collect(),
        }
    }
}

impl From<&OrderRecord> for OrderLine {
    fn from(record: &OrderRecord) -> Self {
        let allocations = record.allocations.iter().map(|allocation| AllocationLine {
            vendor_id: allocation.vendor_id.as_str().to_owned(),
            quantity: allocation.quantity.units().into(),
            shipped_at: allocation.shipped_at.map(Timestamp::as_micros),
            known_as_of: allocation.known_as_of.map(Timestamp::as_micros),
        });
        Self {
            id: record.id.0,
            product_id: record.request.product_id.as_str().to_owned(),
            quantity: record.request.quantity.units().into(),
            status: record.status.as_str().to_owned(),
            reason: record.reason.map(|reason| reason.as_str().to_owned()),
            created_at: record.created_at.as_micros(),
            updated_at: record.updated_at.as_micros(),
            allocations: allocations.collect(),
        }
    }
}

impl Line {
    /// Converts the line to a record. Fails for the last line, which is not a record.
    pub(super) fn into_record(self) -> Result<TransferRecord> {
        Ok(match self {
            Self::Vendor(line) => TransferRecord::Vendor(line.into_record()?),
            Self::Product(line) => TransferRecord::Product(line.into_record()?),
            Self::Order(line) => TransferRecord::Order(line.into_record()?),
            Self::Key(line) => TransferRecord::Key(KeyRecord {
                key: IdempotencyKey::parse(line.scope, line.key)?,
                order_id: OrderId(line.order_id),
                created_at: Timestamp::from_micros(line.created_at),
                batch: line.batch_digest.map(BatchDigest::parse).transpose()?,
            }),
            Self::End(_) => anyhow::bail!("expected a record, found the last line"),
        })
    }
}

impl VendorLine {
    fn into_record(self) -> Result<VendorRecord> {
        let last_sync = self.last_sync.map(|line| {
            let outcome: Option<SyncOutcome> = line.outcome.parse().ok();
            let outcome =
                outcome.with_context(|| format!("{:?} is not a sync outcome", line.outcome))?;
            let sync = SyncRecord {
                outcome,
                took: Duration::from_millis(line.duration_ms),
                received: line.received,
                changed: line.changed,
                error: line.error,
                details: RunDetails::default(),
            };
            Ok::<_, anyhow::Error>((Timestamp::from_micros(line.finished_at), sync))
        });
        Ok(VendorRecord {
            vendor_id: VendorId::parse(self.vendor_id)?,
            configured: self.configured,
            applied_as_of: self.applied_as_of.map(Timestamp::from_micros),
            full_as_of: self.full_as_of.map(Timestamp::from_micros),
            last_sync: last_sync.transpose()?,
        })
    }
}

impl ProductLine {
    fn into_record(self) -> Result<ProductRecord> {
        let positions = self.vendors.into_iter().map(|line| {
            Ok(VendorStockRecord {
                vendor_id: VendorId::parse(line.vendor_id)?,
                reported: line.reported,
                in_flight: line.in_flight,
                as_of: Timestamp::from_micros(line.as_of),
                is_expired: line.is_expired,
            })
        });
        Ok(ProductRecord {
            product_id: ProductId::parse_stored(self.product_id)?,
            quantity: self.quantity,
            updated_at: Timestamp::from_micros(self.updated_at),
            positions: positions.collect::<Result<_>>()?,
        })
    }
}

impl OrderLine {
    fn into_record(self) -> Result<OrderRecord> {
        let status: Option<OrderStatus> = self.status.parse().ok();
        let status = status.with_context(|| format!("{:?} is not an order status", self.status))?;
        let reason = self.reason.map(|value| {
            let reason: Option<RejectReason> = value.parse().ok();
            reason.with_context(|| format!("{value:?} is not a reject reason"))
        });
        let allocations = self.allocations.into_iter().map(|line| {
            Ok(AllocationRecord {
                vendor_id: VendorId::parse(line.vendor_id)?,
                quantity: Quantity::parse(line.quantity)?,
                shipped_at: line.shipped_at.map(Timestamp::from_micros),
                known_as_of: line.known_as_of.map(Timestamp::from_micros),
            })
        });
        Ok(OrderRecord {
            id: OrderId(self.id),
            request: OrderRequest {
                product_id: ProductId::parse_stored(self.product_id)?,
                quantity: Quantity::parse(self.quantity)?,
            },
            status,
            reason: reason.transpose()?,
            created_at: Timestamp::from_micros(self.created_at),
            updated_at: Timestamp::from_micros(self.updated_at),
            allocations: allocations.collect::<Result<_>>()?,
        })
    }
}
