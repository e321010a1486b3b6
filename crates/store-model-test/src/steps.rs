//! The steps of a unit of work.

use std::time::Duration;

use domain::allocation::most_available_first;
use domain::identifiers::ProductId;
use domain::order::{Order, OrderState, RejectReason, Transition};
use domain::ports::{OtherVendors, RequeueLimits, StoreError, SyncOutcome, SyncRecord, UnitOfWork};
use domain::run::RunDetails;
use domain::settlement::{Outcome, SettledOrder, settle};
use domain::stock::{ProductStock, StockChange, VendorStock};
use domain::vendor_set::recount;

use crate::bindings::{configured, new_order, product, products, span, vendor};
use crate::operations::{OrderSpec, Product, Slot, Step, Vendor};
use crate::run::Run;
use port_contracts::builders::order_at;

/// The result of a step. After an error the unit of work can only be dropped; `PairedWork` compares the error.
type StepResult = Result<(), StoreError>;

impl Run {
    pub(super) async fn step(&mut self, work: &mut dyn UnitOfWork, step: &Step) -> StepResult {
        match step {
            Step::Accept(first, orders) => self.accept(work, *first, orders).await,
            Step::LockPending(slots) => {
                let ids = self.bindings.orders(slots);
                work.lock_pending(&ids).await.map(drop)
            }
            Step::LockOrder(slot) => work.lock_order(self.bindings.order(*slot)).await.map(drop),
            Step::Settle(slots) => self.settle_in(work, slots).await,
            Step::Reject(slot) => self.reject(work, *slot).await,
            Step::Change(slot, to) => {
                let decide = |order: &Order| order.transition(*to).ok();
                self.change_in(work, *slot, decide).await
            }
            Step::ShipPart(slot, of) => {
                let of = vendor(*of);
                let decide = |order: &Order| order.ship_part(&of).ok();
                self.change_in(work, *slot, decide).await
            }
            Step::LockStock(wanted) => work.lock_stock(&products(wanted)).await.map(drop),
            Step::Adjust {
                product,
                vendor: of,
                reported,
                as_of,
            } => {
                let vendor_stock = VendorStock {
                    vendor_id: vendor(*of),
                    reported: *reported,
                    in_flight: 0,
                    as_of: self.bindings.instant(*as_of),
                    configured: false,
                    is_expired: false,
                };
                adjust(work, *product, vendor_stock).await
            }
            Step::Configure(wanted, others) => configure(work, wanted, *others).await,
            Step::FirstSyncs => work.first_syncs().await.map(drop),
            Step::EndFirstSync(of) => work.end_first_sync(&vendor(*of)).await.map(drop),
            Step::LockVendor(wanted) => work.lock_vendor(&vendor(*wanted)).await.map(drop),
            Step::Create(wanted) => work.create_products(&products(wanted)).await,
            Step::Reported(of, wanted) => {
                let (of, wanted) = (vendor(*of), products(wanted));
                work.find_reported_stock(&of, &wanted).await.map(drop)
            }
            Step::Advance(of, wanted, instant) => {
                let order = order_at(self.bindings.instant(*instant));
                work.advance_as_of(&vendor(*of), &products(wanted), order)
                    .await
            }
            Step::RepairShipments(of) => work.repair_shipments(&vendor(*of)).await.map(drop),
            Step::RecordFailure(of) => record_failure(work, *of).await,
            Step::Claim(limit, lease) => work.claim(*limit, span(*lease)).await.map(drop),
            Step::Remove(slots) => {
                work.remove(&self.bindings.entries(slots, &self.pairs))
                    .await
            }
            Step::Release(slots) => {
                work.release(&self.bindings.entries(slots, &self.pairs))
                    .await
            }
            Step::Requeue(pending_for, limit) => {
                let limits = RequeueLimits {
                    pending_for: span(*pending_for),
                    limit: *limit,
                };
                work.requeue_overdue(limits).await.map(drop)
            }
            Step::PruneKeys(instant, shift, limit) => {
                let before = self.bindings.near(*instant, *shift, &self.pairs);
                while work.prune_keys(before, *limit).await? >= u64::from(*limit) {}
                Ok(())
            }
            Step::StoreTime => work.store_time().await.map(drop),
            Step::Read(query) => {
                self.read(query).await;
                Ok(())
            }
        }
    }

    async fn accept(
        &mut self,
        work: &mut dyn UnitOfWork,
        first: Slot,
        orders: &[OrderSpec],
    ) -> StepResult {
        let orders: Vec<_> = orders.iter().map(new_order).collect();
        let accepted = work.accept(&orders).await?;
        for (slot, accepted) in (first..).zip(accepted) {
            if let Some(order) = accepted.order() {
                self.bindings.bind_order(slot, order.id);
            }
        }
        Ok(())
    }

    async fn settle_in(&self, work: &mut dyn UnitOfWork, slots: &[Slot]) -> StepResult {
        let pending = work.lock_pending(&self.bindings.orders(slots)).await?;
        let wanted: Vec<ProductId> = pending
            .iter()
            .map(|order| order.request.product_id.clone())
            .collect();
        let stock = work.lock_stock(&wanted).await?;
        let batch = settle(pending, stock, most_available_first)
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        work.save_batch(&batch).await
    }

    async fn reject(&self, work: &mut dyn UnitOfWork, slot: Slot) -> StepResult {
        let rejected = SettledOrder {
            id: self.bindings.order(slot),
            product_id: product(0),
            outcome: Outcome::Rejected(RejectReason::InsufficientStock),
        };
        work.save_settled(&[rejected]).await
    }

    async fn change_in(
        &self,
        work: &mut dyn UnitOfWork,
        slot: Slot,
        decide: impl Fn(&Order) -> Option<Transition> + Send,
    ) -> StepResult {
        let id = self.bindings.order(slot);
        let Some(order) = work.lock_order(id).await? else {
            // Saving a state of an unknown order must be refused.
            return work.save_state(id, &OrderState::Cancelled).await.map(drop);
        };
        let state = match decide(&order) {
            Some(Transition::To(state)) => state,
            Some(Transition::CancelAndRelease(units)) => {
                let wanted = std::slice::from_ref(&order.product_id);
                for stock in work.lock_stock(wanted).await? {
                    let change = stock.release(&units);
                    let change = change.map_err(|error| StoreError::Failed(Box::new(error)))?;
                    work.save_stock(&[change]).await?;
                }
                OrderState::Cancelled
            }
            Some(Transition::Unchanged) | None => return Ok(()),
        };
        work.save_state(id, &state).await.map(drop)
    }
}

fn recounted(stock: ProductStock, vendors: Vec<VendorStock>) -> StockChange {
    StockChange {
        quantity: stock.quantity(),
        product_id: stock.product_id,
        vendors,
    }
}

/// Writes vendor stock with the current units in flight, and the product's quantity.
async fn adjust(
    work: &mut dyn UnitOfWork,
    wanted: Product,
    mut vendor_stock: VendorStock,
) -> StepResult {
    let configured = work.lock_vendor(&vendor_stock.vendor_id).await?;
    vendor_stock.configured = configured.is_some();
    let unknown = ProductStock {
        product_id: product(wanted),
        vendors: Vec::new(),
    };
    let locked = work.lock_stock(&[product(wanted)]).await?.pop();
    let mut stock = locked.unwrap_or(unknown);
    if let Some(before) = stock.vendor(&vendor_stock.vendor_id) {
        vendor_stock.in_flight = before.in_flight;
    }
    stock
        .vendors
        .retain(|other| other.vendor_id != vendor_stock.vendor_id);
    stock.vendors.push(vendor_stock.clone());
    work.save_stock(&[recounted(stock, vec![vendor_stock])])
        .await
}

async fn configure(
    work: &mut dyn UnitOfWork,
    wanted: &[Vendor],
    others: OtherVendors,
) -> StepResult {
    let switched = work.configure(&configured(wanted), others).await?;
    let locked = work.lock_stock(&switched.products).await?;
    let changes: Vec<StockChange> = locked
        .into_iter()
        .map(|stock| recount(stock, &switched.on))
        .collect();
    work.save_stock(&changes).await
}

async fn record_failure(work: &mut dyn UnitOfWork, of: Vendor) -> StepResult {
    let record = SyncRecord {
        outcome: SyncOutcome::Failed,
        took: Duration::ZERO,
        received: 0,
        changed: 0,
        error: Some("the vendor did not respond".to_owned()),
        details: RunDetails::default(),
    };
    work.record_sync(&vendor(of), &record, None).await.map(drop)
}
