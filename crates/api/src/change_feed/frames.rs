//! Entries of the change log as server-sent events (WHATWG HTML, section 9.2).
//!
//! A subscriber resumes after the last entry that it received completely: only the last event of an entry has an id, so a
//! client that is disconnected within an entry receives the whole entry again.

use std::collections::{HashMap, HashSet};

use actix_web::web::Bytes;
use domain::change_offset::ChangeOffset;
use domain::identifiers::{OrderId, ProductId};
use domain::order::Order;
use domain::ports::{ChangeEntry, StockLevel, StoreError};
use serde::Serialize;
use tracing::error;

use super::ports::ChangeFeedPorts;
use crate::views::{OrderView, StockView};

/// Maximum number of events of one frame.
const MAX_FRAME_EVENTS: usize = 128;

/// Number of events after which a part ends, of new entries and of entries that a subscriber catches up with.
pub(super) const NEW_EVENTS: usize = 4_096;
pub(super) const CATCH_UP_EVENTS: usize = 1_024;

/// A rendered entry of the change log, identical for every subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: ChangeOffset,
    /// Each is sent as one piece. At least one, because an entry without events advances the offset of subscribers too; a
    /// frame before the last one may be empty.
    pub(super) frames: Vec<Bytes>,
}

impl Entry {
    pub(super) fn bytes(&self) -> usize {
        self.frames.iter().map(Bytes::len).sum()
    }
}

/// Keeps an order or product that occurs in several entries only in the last of them, because its current state is read
/// anyway.
pub(super) fn merge(entries: &mut [ChangeEntry]) {
    let mut orders: HashSet<OrderId> = HashSet::new();
    let mut products: HashSet<ProductId> = HashSet::new();
    for ChangeEntry { changed, .. } in entries.iter_mut().rev() {
        changed.order_ids.retain(|id| orders.insert(*id));
        changed.product_ids.retain(|id| products.insert(id.clone()));
    }
}

/// Groups entries into parts that are small enough to be rendered at once: each ends with the entry that reaches
/// `max_events`.
pub(super) fn parts(
    entries: &[ChangeEntry],
    max_events: usize,
) -> impl Iterator<Item = &[ChangeEntry]> {
    let mut events = 0;
    entries.chunk_by(move |ChangeEntry { changed, .. }, _| {
        events += changed.order_ids.len() + changed.product_ids.len();
        let is_full = events >= max_events;
        if is_full {
            events = 0;
        }
        !is_full
    })
}

/// Reads the orders and products of all entries at once, and renders each entry.
pub(super) async fn render(
    ports: &ChangeFeedPorts,
    entries: &[ChangeEntry],
) -> Result<Vec<Entry>, StoreError> {
    let changed = || entries.iter().map(|entry| &entry.changed);
    let ids: Vec<OrderId> = changed().flat_map(|it| it.order_ids.clone()).collect();
    let products: Vec<ProductId> = changed().flat_map(|it| it.product_ids.clone()).collect();
    let mut loaded = Loaded::default();
    if !ids.is_empty() {
        let orders = ports.orders.find_orders(&ids).await?.into_iter();
        loaded.orders = orders.map(|order| (order.id, order)).collect();
    }
    if !products.is_empty() {
        let levels = ports.stock.find_levels(&products).await?.into_iter();
        loaded.levels = levels
            .map(|level| (level.product_id.clone(), level))
            .collect();
    }
    Ok(entries.iter().map(|entry| loaded.entry(entry)).collect())
}

#[derive(Default)]
struct Loaded {
    orders: HashMap<OrderId, Order>,
    levels: HashMap<ProductId, StockLevel>,
}

impl Loaded {
    fn entry(&self, ChangeEntry { offset, changed }: &ChangeEntry) -> Entry {
        let orders = changed.order_ids.chunks(MAX_FRAME_EVENTS).map(|ids| {
            let orders = ids.iter().filter_map(|id| self.orders.get(id));
            orders
                .map(|order| event("order", &OrderView::from(order)))
                .collect()
        });
        let levels = changed.product_ids.chunks(MAX_FRAME_EVENTS).map(|ids| {
            let levels = ids.iter().filter_map(|id| self.levels.get(id));
            levels
                .map(|level| event("stock", &StockView::from(level)))
                .collect()
        });
        let mut frames: Vec<Vec<Vec<u8>>> = orders.chain(levels).collect();
        let mut last = frames.pop().unwrap_or_default();
        let id = format!("id: {offset}\n").into_bytes();
        match last.last_mut() {
            Some(event) => event.splice(..0, id).for_each(drop),
            None => last.push([id.as_slice(), b"\n"].concat()),
        }
        frames.push(last);
        Entry {
            offset: *offset,
            frames: frames.iter().map(|events| events.concat().into()).collect(),
        }
    }
}

/// An event whose data is one line of JSON.
fn event(name: &str, data: &impl Serialize) -> Vec<u8> {
    let mut bytes = format!("event: {name}\ndata: ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut bytes, data) {
        error!(%error, "cannot serialize an event");
        return Vec::new();
    }
    bytes.extend_from_slice(b"\n\n");
    bytes
}

/// The data of an event about the stream itself.
#[derive(Serialize)]
struct Notice<'a> {
    detail: &'a str,
}

fn notice(name: &str, detail: &str) -> Vec<u8> {
    event(name, &Notice { detail })
}

/// The start of the stream: the reconnection delay, and the current offset, so that a client can resume even if it received
/// no event.
pub(super) fn opening(offset: ChangeOffset) -> Bytes {
    format!("retry: 2000\nid: {offset}\n\n").into()
}

/// Notifies the client that changes up to this offset were missed and are no longer kept.
pub(super) fn reset(offset: ChangeOffset) -> Bytes {
    let detail = "missed changes are no longer kept: reload the lists, then continue with the following events";
    let mut bytes = format!("id: {offset}\n").into_bytes();
    bytes.extend(notice("reset", detail));
    bytes.into()
}

/// Ends the stream of a subscriber that did not keep up, because it is slow or because of the bandwidth limit.
pub(super) fn dropped() -> Bytes {
    let detail = "events occur faster than they can be sent on this connection: reconnect with Last-Event-ID to resume";
    notice("dropped", detail).into()
}

/// Ends the stream because the store is unavailable.
pub(super) fn store_unavailable() -> Bytes {
    let detail = "the store is unavailable: reconnect with Last-Event-ID to resume";
    notice("dropped", detail).into()
}

/// Ends the stream because the process is shutting down.
pub(super) fn closing() -> Bytes {
    let detail = "the service is shutting down: reconnect with Last-Event-ID to resume";
    notice("closing", detail).into()
}

/// A comment that keeps the connection alive.
pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b":\n\n")
}

#[cfg(test)]
mod tests {
    use domain::ports::Changed;

    use super::*;

    fn entry(number: u64, orders: std::ops::Range<i64>, products: &[&str]) -> ChangeEntry {
        ChangeEntry {
            offset: ChangeOffset::new(number, 0),
            changed: Changed {
                order_ids: orders.map(OrderId).collect(),
                product_ids: products
                    .iter()
                    .map(|id| ProductId::parse(*id).unwrap())
                    .collect(),
            },
        }
    }

    #[test]
    fn only_the_last_frame_of_an_entry_has_its_id() {
        let rendered = Loaded::default().entry(&entry(1, 0..300, &["p"]));
        assert_eq!(rendered.frames, ["", "", "", "id: 1-0\n\n"]);
        // An entry without events advances the offset.
        let rendered = Loaded::default().entry(&entry(2, 0..0, &[]));
        assert_eq!(rendered.frames, ["id: 2-0\n\n"]);
    }

    #[test]
    fn repeated_order_or_product_is_kept_in_its_last_entry() {
        let mut entries = [
            entry(1, 0..2, &["p", "q"]),
            entry(2, 0..2, &["p"]),
            entry(3, 1..3, &[]),
        ];
        merge(&mut entries);
        assert_eq!(
            entries,
            [
                entry(1, 0..0, &["q"]),
                entry(2, 0..1, &["p"]),
                entry(3, 1..3, &[])
            ]
        );
    }

    #[test]
    fn part_ends_with_the_entry_that_fills_it() {
        let orders = |number: u64, count: i64| entry(number, 0..count, &[]);
        let entries = [
            orders(1, 4_000),
            orders(2, 0),
            orders(3, 200),
            orders(4, 9_000),
            orders(5, 1),
        ];
        let parts: Vec<&[ChangeEntry]> = parts(&entries, NEW_EVENTS).collect();
        assert_eq!(parts, [&entries[..3], &entries[3..4], &entries[4..]]);
    }

    #[test]
    fn only_the_last_event_has_the_id() {
        let level = |id: &str| StockLevel {
            product_id: ProductId::parse(id).unwrap(),
            quantity: 7,
            updated_at: domain::timestamp::Timestamp::from_micros(0),
        };
        let levels = ["p", "q"].map(|id| (ProductId::parse(id).unwrap(), level(id)));
        let loaded = Loaded {
            levels: levels.into(),
            ..Loaded::default()
        };
        let rendered = loaded.entry(&entry(5, 0..0, &["p", "q", "gone"]));
        let data = |id: &str| {
            format!(
                "event: stock\ndata: {{\"product_id\":\"{id}\",\"quantity\":7,\"updated_at\":\"1970-01-01T00:00:00.000000Z\"}}\n\n"
            )
        };
        let frame = format!("{}id: 5-0\n{}", data("p"), data("q"));
        assert_eq!(rendered.frames, [frame]);
    }
}
