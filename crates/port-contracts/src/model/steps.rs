//! The steps of a unit of work.

use std::time::Duration;

use domain::allocation::most_available_first;
use domain::identifiers::ProductId;
use domain::order::{Order, OrderState, RejectReason, Transition};
use domain::ports::{OtherVendors, RequeueLimits, StoreError, SyncOutcome, SyncRecord, UnitOfWork};
use domain::settlement::{Outcome, SettledOrder, settle};
use domain::stock::{ProductStock, StockChange, VendorStock};
use domain::vendor_set::recount;

use super::cast::{configured, new_order, product, products, span, vendor};
use super::operations::{Asked, Product, Slot, Step, Vendor};
use super::run::Run;
use crate::builders::order_at;

/// A step that failed: the unit of work can only be dropped. Whether it had to fail is compared elsewhere.
type Done = Result<(), StoreError>;

impl Run {
    pub(super) async fn step(&mut self, work: &mut dyn UnitOfWork, step: &Step) -> Done {
        match step {
            Step::Accept(first, orders) => self.accept(work, *first, orders).await,
            Step::LockPending(slots) => {
                let ids = self.cast.orders(slots);
                work.lock_pending(&ids).await.map(drop)
            }
            Step::LockOrder(slot) => work.lock_order(self.cast.order(*slot)).await.map(drop),
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
                let position = VendorStock {
                    vendor_id: vendor(*of),
                    reported: *reported,
                    in_flight: 0,
                    as_of: self.cast.moment(*as_of),
                    configured: false,
                    is_expired: false,
                };
                adjust(work, *product, position).await
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
            Step::Advance(of, wanted, moment) => {
                let order = order_at(self.cast.moment(*moment));
                work.advance_as_of(&vendor(*of), &products(wanted), order)
                    .await
            }
            Step::RepairShipments(of) => work.repair_shipments(&vendor(*of)).await.map(drop),
            Step::RecordFailure(of) => record_failure(work, *of).await,
            Step::Claim(limit, lease) => work.claim(*limit, span(*lease)).await.map(drop),
            Step::Remove(slots) => work.remove(&self.cast.entries(slots, &self.pairs)).await,
            Step::Release(slots) => work.release(&self.cast.entries(slots, &self.pairs)).await,
            Step::Requeue(pending_for, limit) => {
                let limits = RequeueLimits {
                    pending_for: span(*pending_for),
                    limit: *limit,
                };
                work.requeue_overdue(limits).await.map(drop)
            }
            Step::ForgetKeys(moment, shift, limit) => {
                let before = self.cast.near(*moment, *shift, &self.pairs);
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

    async fn accept(&mut self, work: &mut dyn UnitOfWork, first: Slot, orders: &[Asked]) -> Done {
        let orders: Vec<_> = orders.iter().map(new_order).collect();
        let accepted = work.accept(&orders).await?;
        for (slot, accepted) in (first..).zip(accepted) {
            if let Some(order) = accepted.order() {
                self.cast.took(slot, order.id);
            }
        }
        Ok(())
    }

    async fn settle_in(&self, work: &mut dyn UnitOfWork, slots: &[Slot]) -> Done {
        let pending = work.lock_pending(&self.cast.orders(slots)).await?;
        let wanted: Vec<ProductId> = pending
            .iter()
            .map(|order| order.request.product_id.clone())
            .collect();
        let stock = work.lock_stock(&wanted).await?;
        let batch = settle(pending, stock, most_available_first)
            .map_err(|error| StoreError::Failed(Box::new(error)))?;
        work.save_settled(&batch.orders).await?;
        work.save_stock(&batch.stock).await
    }

    async fn reject(&self, work: &mut dyn UnitOfWork, slot: Slot) -> Done {
        let rejected = SettledOrder {
            id: self.cast.order(slot),
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
    ) -> Done {
        let id = self.cast.order(slot);
        let Some(order) = work.lock_order(id).await? else {
            // Writing a state of an order that is not there is refused.
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

/// Writes a position, in flight what was, and the product's quantity with it.
async fn adjust(work: &mut dyn UnitOfWork, wanted: Product, mut position: VendorStock) -> Done {
    let configured = work.lock_vendor(&position.vendor_id).await?;
    position.configured = configured.is_some();
    let unknown = ProductStock {
        product_id: product(wanted),
        vendors: Vec::new(),
    };
    let locked = work.lock_stock(&[product(wanted)]).await?.pop();
    let mut stock = locked.unwrap_or(unknown);
    if let Some(before) = stock.vendor(&position.vendor_id) {
        position.in_flight = before.in_flight;
    }
    stock
        .vendors
        .retain(|other| other.vendor_id != position.vendor_id);
    stock.vendors.push(position.clone());
    work.save_stock(&[recounted(stock, vec![position])]).await
}

async fn configure(work: &mut dyn UnitOfWork, wanted: &[Vendor], others: OtherVendors) -> Done {
    let switched = work.configure(&configured(wanted), others).await?;
    let locked = work.lock_stock(&switched.products).await?;
    let changes: Vec<StockChange> = locked
        .into_iter()
        .map(|stock| recount(stock, &switched.on))
        .collect();
    work.save_stock(&changes).await
}

async fn record_failure(work: &mut dyn UnitOfWork, of: Vendor) -> Done {
    let record = SyncRecord {
        outcome: SyncOutcome::Failed,
        took: Duration::ZERO,
        received: 0,
        changed: 0,
        error: Some("it did not answer".to_owned()),
    };
    work.record_sync(&vendor(of), &record, None).await.map(drop)
}
