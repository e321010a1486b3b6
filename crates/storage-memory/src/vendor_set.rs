//! The vendor set, inside a transaction and in queries.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::identifiers::{ProductId, VendorId};
use domain::ports::{
    FirstSyncs, OtherVendors, StoreError, StoredVendorSet, SwitchedVendors, UntriedVendors,
    VendorSetQueries, VendorSetRecord, VendorSetRepository,
};
use domain::timestamp::Timestamp;
use domain::vendor_set::{ConfiguredVendor, SetMember, VendorSetDigest};

use crate::store::MemoryStore;
use crate::tables::Tables;
use crate::unit_of_work::MemoryUnitOfWork;

fn record(tables: &Tables, digest: &VendorSetDigest) -> VendorSetRecord {
    VendorSetRecord {
        was_applied: tables.vendor_sets.contains(digest),
        is_current: tables.vendor_sets.last() == Some(digest),
    }
}

fn products_of(tables: &Tables, vendor_ids: &BTreeSet<VendorId>) -> Vec<ProductId> {
    let rows = tables.vendor_stock.keys();
    let products: BTreeSet<ProductId> = rows
        .filter(|(_, vendor_id)| vendor_ids.contains(vendor_id))
        .map(|(product_id, _)| product_id.clone())
        .collect();
    products.into_iter().collect()
}

fn configured(tables: &Tables) -> Vec<SetMember> {
    let vendors = tables.vendors.iter().filter(|(_, row)| row.configured);
    vendors
        .map(|(vendor_id, row)| SetMember {
            vendor: ConfiguredVendor {
                vendor_id: vendor_id.clone(),
                source: row.source.clone(),
            },
            configured_at: row.configured_at,
        })
        .collect()
}

fn switch(
    tables: &mut Tables,
    vendors: &[ConfiguredVendor],
    others: OtherVendors,
    now: Timestamp,
) -> SwitchedVendors {
    let mut on = BTreeSet::new();
    for vendor in vendors {
        let row = tables.vendors.entry(vendor.vendor_id.clone()).or_default();
        row.source.clone_from(&vendor.source);
        if !row.configured {
            row.configured = true;
            row.configured_at = Some(now);
            row.last_sync = None;
            row.pause = None;
            on.insert(vendor.vendor_id.clone());
        }
    }
    let mut switched = on.clone();
    if others == OtherVendors::SwitchOff {
        for (vendor_id, row) in &mut tables.vendors {
            if row.configured && !vendors.iter().any(|it| it.vendor_id == *vendor_id) {
                row.configured = false;
                switched.insert(vendor_id.clone());
            }
        }
    }
    SwitchedVendors {
        products: products_of(tables, &switched),
        on: on.into_iter().collect(),
        configured: configured(tables),
    }
}

#[async_trait]
impl VendorSetRepository for MemoryUnitOfWork {
    async fn lock_vendor_sets(
        &mut self,
        digest: &VendorSetDigest,
    ) -> Result<VendorSetRecord, StoreError> {
        Ok(record(self.tables(), digest))
    }

    async fn save_current_set(&mut self, digest: &VendorSetDigest) -> Result<(), StoreError> {
        self.write(|tables| {
            tables.vendor_sets.retain(|other| other != digest);
            tables.vendor_sets.push(digest.clone());
            Ok(())
        })
    }

    async fn configure(
        &mut self,
        vendors: &[ConfiguredVendor],
        others: OtherVendors,
    ) -> Result<SwitchedVendors, StoreError> {
        let now = self.now();
        self.write(|tables| Ok(switch(tables, vendors, others, now)))
    }

    async fn first_syncs(&mut self) -> Result<FirstSyncs, StoreError> {
        let vendors = self.tables().vendors.values();
        let untried = vendors
            .filter(|row| row.configured && row.source.is_some() && !row.was_tried())
            .map(|row| row.configured_at.unwrap_or(Timestamp::from_micros(0)))
            .max();
        Ok(FirstSyncs {
            now: self.now(),
            untried: untried.map(|configured_at| UntriedVendors { configured_at }),
        })
    }

    async fn end_first_sync(&mut self, vendor_id: &VendorId) -> Result<u64, StoreError> {
        let vendor = self.tables().vendors.get(vendor_id);
        if !vendor.is_some_and(|row| row.configured && !row.was_tried()) {
            return Ok(0);
        }
        self.write(|tables| {
            let mut freed = 0;
            for entry in tables.outbox.values_mut() {
                freed += u64::from(entry.not_before.take().is_some());
            }
            Ok(freed)
        })
    }
}

#[async_trait]
impl VendorSetQueries for MemoryStore {
    async fn find_vendor_set(
        &self,
        digest: &VendorSetDigest,
    ) -> Result<StoredVendorSet, StoreError> {
        let tables = self.committed();
        Ok(StoredVendorSet {
            record: record(&tables, digest),
            configured: configured(&tables),
        })
    }
}
