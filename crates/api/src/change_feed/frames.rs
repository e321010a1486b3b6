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
pub(super) const MAX_FRAME_EVENTS: usize = 128;

/// Number of events after which a part ends with the current entry.
const PART_EVENTS: usize = 4_096;

/// Number of events that a subscriber renders at once while it catches up.
const CATCH_UP_EVENTS: usize = 1_024;

/// The part of an entry that is rendered as one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// The change-log offset of the entry.
    position: ChangeOffset,
    /// Whether this is the last slice of the entry.
    is_last: bool,
    order_ids: Vec<OrderId>,
    product_ids: Vec<ProductId>,
}

/// Bytes that are sent as one piece, identical for every subscriber. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The change-log offset of the entry.
    pub(super) position: ChangeOffset,
    /// Whether this is the last frame of the entry.
    pub(super) is_last: bool,
    pub(super) bytes: Bytes,
}

/// Splits entries that were read together into slices. An order or product that occurs in several entries is kept only in
/// the last one, because its current state is read anyway.
pub(super) fn slices(entries: Vec<ChangeEntry>) -> Vec<Slice> {
    let mut orders: HashSet<OrderId> = HashSet::new();
    let mut products: HashSet<ProductId> = HashSet::new();
    let mut slices = Vec::new();
    for entry in entries.into_iter().rev() {
        let ChangeEntry {
            position,
            mut changed,
        } = entry;
        changed.order_ids.retain(|id| orders.insert(*id));
        changed.product_ids.retain(|id| products.insert(id.clone()));
        let mut entry_slices = slices_of(position, &changed.order_ids, &changed.product_ids);
        entry_slices.reverse();
        slices.extend(entry_slices);
    }
    slices.reverse();
    slices
}

/// Groups slices into parts that are small enough to be rendered at once. Each part ends with an entry, where reading of the
/// log can continue.
pub(super) fn parts(slices: &[Slice]) -> impl Iterator<Item = &[Slice]> {
    let mut events = 0;
    slices.chunk_by(move |slice, _| {
        events += slice.order_ids.len() + slice.product_ids.len();
        let is_full = slice.is_last && events >= PART_EVENTS;
        if is_full {
            events = 0;
        }
        !is_full
    })
}

fn slices_of(position: ChangeOffset, orders: &[OrderId], products: &[ProductId]) -> Vec<Slice> {
    let slice = |order_ids: &[OrderId], product_ids: &[ProductId]| Slice {
        position,
        is_last: false,
        order_ids: order_ids.to_vec(),
        product_ids: product_ids.to_vec(),
    };
    let of_orders = orders.chunks(MAX_FRAME_EVENTS).map(|ids| slice(ids, &[]));
    let of_products = products.chunks(MAX_FRAME_EVENTS).map(|ids| slice(&[], ids));
    let mut slices: Vec<Slice> = of_orders.chain(of_products).collect();
    // An empty slice still advances the offset of subscribers.
    if slices.is_empty() {
        slices.push(slice(&[], &[]));
    }
    if let Some(last) = slices.last_mut() {
        last.is_last = true;
    }
    slices
}

/// Reads the orders and products of all slices at once, and renders a frame for each slice.
pub(super) async fn render(
    ports: &ChangeFeedPorts,
    slices: &[Slice],
) -> Result<Vec<Frame>, StoreError> {
    let ids: Vec<OrderId> = slices.iter().flat_map(|it| it.order_ids.clone()).collect();
    let products: Vec<ProductId> = slices
        .iter()
        .flat_map(|it| it.product_ids.clone())
        .collect();
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
    Ok(slices.iter().map(|slice| loaded.frame(slice)).collect())
}

/// Renders the frames of as many of the first entries as fit into `CATCH_UP_EVENTS`, at least one. Each entry has all its
/// frames, and the same number of frames every time, so that a subscriber can continue within an entry that is read again.
pub(super) async fn render_entries(
    ports: &ChangeFeedPorts,
    entries: Vec<ChangeEntry>,
) -> Result<Vec<Vec<Frame>>, StoreError> {
    let mut events = 0;
    let mut slices = Vec::new();
    for ChangeEntry { position, changed } in entries {
        events += changed.order_ids.len() + changed.product_ids.len();
        if !slices.is_empty() && events > CATCH_UP_EVENTS {
            break;
        }
        slices.extend(slices_of(
            position,
            &changed.order_ids,
            &changed.product_ids,
        ));
    }
    let frames = render(ports, &slices).await?;
    let entries = frames.chunk_by(|frame, _| !frame.is_last);
    Ok(entries.map(<[Frame]>::to_vec).collect())
}

#[derive(Default)]
struct Loaded {
    orders: HashMap<OrderId, Order>,
    levels: HashMap<ProductId, StockLevel>,
}

impl Loaded {
    fn frame(&self, slice: &Slice) -> Frame {
        let orders = slice.order_ids.iter().filter_map(|id| self.orders.get(id));
        let orders = orders.map(|order| event("order", &OrderView::from(order)));
        let products = slice.product_ids.iter();
        let levels = products.filter_map(|id| self.levels.get(id));
        let levels = levels.map(|level| event("stock", &StockView::from(level)));
        let mut events: Vec<Vec<u8>> = orders.chain(levels).collect();
        if slice.is_last {
            let id = format!("id: {}\n", slice.position).into_bytes();
            match events.last_mut() {
                Some(last) => last.splice(..0, id).for_each(drop),
                None => events.push([id.as_slice(), b"\n"].concat()),
            }
        }
        Frame {
            position: slice.position,
            is_last: slice.is_last,
            bytes: events.concat().into(),
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
pub(super) fn opening(position: ChangeOffset) -> Bytes {
    format!("retry: 2000\nid: {position}\n\n").into()
}

/// Notifies the client that changes up to this offset were missed and are no longer kept.
pub(super) fn reset(position: ChangeOffset) -> Bytes {
    let detail = "missed changes are no longer kept: reload the lists, then continue with the following events";
    let mut bytes = format!("id: {position}\n").into_bytes();
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
            position: ChangeOffset::new(number, 0),
            changed: Changed {
                order_ids: orders.map(OrderId).collect(),
                product_ids: products
                    .iter()
                    .map(|id| ProductId::parse(*id).unwrap())
                    .collect(),
            },
        }
    }

    fn shape(slices: &[Slice]) -> Vec<(u64, usize, usize, bool)> {
        let shape = slices.iter().map(|it| {
            let sizes = (it.order_ids.len(), it.product_ids.len());
            (it.position.group(), sizes.0, sizes.1, it.is_last)
        });
        shape.collect()
    }

    #[test]
    fn only_the_last_slice_of_an_entry_is_marked_last() {
        let slices = slices(vec![entry(1, 0..300, &["p"]), entry(2, 300..301, &[])]);
        assert_eq!(
            shape(&slices),
            [
                (1, 128, 0, false),
                (1, 128, 0, false),
                (1, 44, 0, false),
                (1, 0, 1, true),
                (2, 1, 0, true)
            ]
        );
    }

    #[test]
    fn repeated_order_or_product_is_kept_in_its_last_entry() {
        let slices = slices(vec![
            entry(1, 0..2, &["p", "q"]),
            entry(2, 0..2, &["p"]),
            entry(3, 1..3, &[]),
        ]);
        assert_eq!(
            shape(&slices),
            [
                (1, 0, 1, true),
                (2, 1, 0, false),
                (2, 0, 1, true),
                (3, 2, 0, true)
            ]
        );
    }

    #[test]
    fn entry_without_events_advances_the_offset() {
        let slices = slices(vec![entry(1, 0..1, &[]), entry(2, 0..1, &[])]);
        assert_eq!(shape(&slices), [(1, 0, 0, true), (2, 1, 0, true)]);
        let frame = Loaded::default().frame(&slices[0]);
        assert_eq!(frame.bytes, "id: 1-0\n\n");
    }

    #[test]
    fn part_ends_with_an_entry() {
        let orders = |number: u64, count: i64| {
            let first = i64::try_from(number).unwrap() * 10_000;
            entry(number, first..first + count, &[])
        };
        let slices = slices(vec![
            orders(1, 4_000),
            orders(2, 0),
            orders(3, 200),
            orders(4, 9_000),
            orders(5, 1),
        ]);
        let parts: Vec<&[Slice]> = parts(&slices).collect();
        assert_eq!(parts.concat(), slices);
        let ends = parts.iter().filter_map(|part| part.last());
        let ends: Vec<_> = ends.map(|it| (it.position.group(), it.is_last)).collect();
        assert_eq!(ends, [(3, true), (4, true), (5, true)]);
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
        let slices = slices(vec![entry(5, 0..0, &["p", "q", "gone"])]);
        let frame = loaded.frame(&slices[0]);
        let data = |id: &str| {
            format!(
                "event: stock\ndata: {{\"product_id\":\"{id}\",\"quantity\":7,\"updated_at\":\"1970-01-01T00:00:00.000000Z\"}}\n\n"
            )
        };
        assert_eq!(frame.bytes, format!("{}id: 5-0\n{}", data("p"), data("q")));
        assert!(frame.is_last);
    }
}
