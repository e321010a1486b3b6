//! Renames a vendor.

use async_trait::async_trait;
use domain::identifiers::VendorId;
use domain::ports::{RenamedVendor, StoreError, VendorRename, VendorRenameRepository};
use domain::vendor_set::ConfiguredVendor;

use crate::tables::Tables;
use crate::unit_of_work::MemoryUnitOfWork;

fn rename(tables: &mut Tables, old: &VendorId, new: &VendorId) -> VendorRename {
    if tables.vendor_stock.keys().any(|(_, of)| of == new) {
        return VendorRename::Taken;
    }
    let Some(row) = tables.vendors.remove(old) else {
        return VendorRename::NotFound;
    };
    tables.vendors.insert(new.clone(), row);
    let mut renamed = RenamedVendor {
        positions: 0,
        allocations: 0,
    };
    let rows = std::mem::take(&mut tables.vendor_stock).into_iter();
    tables.vendor_stock = rows
        .map(|((product_id, of), row)| {
            let is_renamed = of == *old;
            renamed.positions += u64::from(is_renamed);
            let of = if is_renamed { new.clone() } else { of };
            ((product_id, of), row)
        })
        .collect();
    let allocations = std::mem::take(&mut tables.allocations).into_iter();
    tables.allocations = allocations
        .map(|((order_id, of), row)| {
            let is_renamed = of == *old;
            renamed.allocations += u64::from(is_renamed);
            let of = if is_renamed { new.clone() } else { of };
            ((order_id, of), row)
        })
        .collect();
    let lines = std::mem::take(&mut tables.quarantined_lines).into_iter();
    tables.quarantined_lines = lines
        .filter(|((of, ..), _)| of != new)
        .map(|((of, requested_at, product_id), units)| {
            let of = if of == *old { new.clone() } else { of };
            ((of, requested_at, product_id), units)
        })
        .collect();
    VendorRename::Done(renamed)
}

#[async_trait]
impl VendorRenameRepository for MemoryUnitOfWork {
    async fn vendor_sources(&mut self) -> Result<Vec<ConfiguredVendor>, StoreError> {
        let vendors = self.tables().vendors.iter();
        Ok(vendors
            .map(|(vendor_id, row)| ConfiguredVendor {
                vendor_id: vendor_id.clone(),
                source: row.source.clone(),
            })
            .collect())
    }

    async fn rename_vendor(
        &mut self,
        old: &VendorId,
        new: &VendorId,
    ) -> Result<VendorRename, StoreError> {
        self.write(|tables| Ok(rename(tables, old, new)))
    }
}
