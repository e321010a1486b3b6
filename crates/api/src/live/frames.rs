//! Entries of the change log as server-sent events (WHATWG HTML, section 9.2).
//!
//! A reader's place is the position of the last entry that it has whole: of an entry's events only the last one bears an id,
//! so that a client which is cut off in the middle of an entry is given all of it again, and never less.

use std::collections::{HashMap, HashSet};

use actix_web::web::Bytes;
use domain::identifiers::{OrderId, ProductId};
use domain::order::Order;
use domain::ports::{ChangeEntry, StockLevel, StoreError};
use domain::position::Position;
use serde::Serialize;
use tracing::error;

use super::LivePorts;
use crate::views::{OrderView, StockView};

/// Most events of one frame.
pub(super) const SLICE: usize = 128;

/// Events after which a part ends with its entry.
const PART: usize = 4_096;

/// Events of entries that one reader makes frames of at once while it catches up.
const PAST_PART: usize = 1_024;

/// Part of an entry: what is made one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// The entry's.
    position: Position,
    /// Whether nothing of the entry comes after it.
    is_last: bool,
    order_ids: Vec<OrderId>,
    product_ids: Vec<ProductId>,
}

/// What is sent as one piece, to every reader the same. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Of the entry that it is of.
    pub(super) position: Position,
    /// Whether a reader that has it has the whole entry.
    pub(super) is_last: bool,
    pub(super) bytes: Bytes,
}

/// Entries that were read together, in slices. What several of them name is told with the last: it is read as it is by now
/// anyway.
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
        let mut of_entry = slices_of(position, &changed.order_ids, &changed.product_ids);
        of_entry.reverse();
        slices.extend(of_entry);
    }
    slices.reverse();
    slices
}

/// The same in parts that are small enough to be read and made frames of at once. Each ends with an entry: the log is read on
/// from there.
pub(super) fn parts(slices: &[Slice]) -> impl Iterator<Item = &[Slice]> {
    let mut events = 0;
    slices.chunk_by(move |slice, _| {
        events += slice.order_ids.len() + slice.product_ids.len();
        let is_full = slice.is_last && events >= PART;
        if is_full {
            events = 0;
        }
        !is_full
    })
}

fn slices_of(position: Position, orders: &[OrderId], products: &[ProductId]) -> Vec<Slice> {
    let slice = |order_ids: &[OrderId], product_ids: &[ProductId]| Slice {
        position,
        is_last: false,
        order_ids: order_ids.to_vec(),
        product_ids: product_ids.to_vec(),
    };
    let of_orders = orders.chunks(SLICE).map(|ids| slice(ids, &[]));
    let of_products = products.chunks(SLICE).map(|ids| slice(&[], ids));
    let mut slices: Vec<Slice> = of_orders.chain(of_products).collect();
    // One of nothing moves its readers on.
    if slices.is_empty() {
        slices.push(slice(&[], &[]));
    }
    if let Some(last) = slices.last_mut() {
        last.is_last = true;
    }
    slices
}

/// Reads what all the slices name at once, and makes a frame of each.
pub(super) async fn render(ports: &LivePorts, slices: &[Slice]) -> Result<Vec<Frame>, StoreError> {
    let ids: Vec<OrderId> = slices.iter().flat_map(|it| it.order_ids.clone()).collect();
    let products: Vec<ProductId> = slices
        .iter()
        .flat_map(|it| it.product_ids.clone())
        .collect();
    let mut read = Read::default();
    if !ids.is_empty() {
        let orders = ports.orders.find_orders(&ids).await?.into_iter();
        read.orders = orders.map(|order| (order.id, order)).collect();
    }
    if !products.is_empty() {
        let levels = ports.stock.find_levels(&products).await?.into_iter();
        read.levels = levels
            .map(|level| (level.product_id.clone(), level))
            .collect();
    }
    Ok(slices.iter().map(|slice| read.frame(slice)).collect())
}

/// Makes the frames of the first of these entries, as many as are made at once, and at least of one. Each entry has all its
/// frames, in the same number each time: one that is read again goes on where it was.
pub(super) async fn render_entries(
    ports: &LivePorts,
    entries: Vec<ChangeEntry>,
) -> Result<Vec<Vec<Frame>>, StoreError> {
    let mut events = 0;
    let mut slices = Vec::new();
    for ChangeEntry { position, changed } in entries {
        events += changed.order_ids.len() + changed.product_ids.len();
        if !slices.is_empty() && events > PAST_PART {
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
struct Read {
    orders: HashMap<OrderId, Order>,
    levels: HashMap<ProductId, StockLevel>,
}

impl Read {
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

/// An event of one line of JSON.
fn event(name: &str, data: &impl Serialize) -> Vec<u8> {
    let mut bytes = format!("event: {name}\ndata: ").into_bytes();
    if let Err(wrong) = serde_json::to_writer(&mut bytes, data) {
        error!(error = %wrong, "an event cannot be written");
        return Vec::new();
    }
    bytes.extend_from_slice(b"\n\n");
    bytes
}

/// What the stream says of itself.
#[derive(Serialize)]
struct Notice<'a> {
    detail: &'a str,
}

fn notice(name: &str, detail: &str) -> Vec<u8> {
    event(name, &Notice { detail })
}

/// The beginning: where the reader is, so that it can come back even if nothing happens, and after how long it should.
pub(super) fn opening(position: Position) -> Bytes {
    format!("retry: 2000\nid: {position}\n\n").into()
}

/// What changed before this position is not known any more.
pub(super) fn reset(position: Position) -> Bytes {
    let detail = "changes were missed that are no longer kept: load the lists anew, then go on with what follows";
    let mut bytes = format!("id: {position}\n").into_bytes();
    bytes.extend(notice("reset", detail));
    bytes.into()
}

/// The end for one that did not keep up, by itself or because all readers together may be sent no more.
pub(super) fn dropped() -> Bytes {
    let detail = "events come faster than they can be sent on this connection: connect again with Last-Event-ID to go on where \
                  you were";
    notice("dropped", detail).into()
}

/// The end when the store does not tell what comes next.
pub(super) fn broken_off() -> Bytes {
    let detail =
        "the store cannot answer now: connect again with Last-Event-ID to go on where you were";
    notice("dropped", detail).into()
}

/// The end with the process.
pub(super) fn closing() -> Bytes {
    let detail =
        "the service is shutting down: connect again with Last-Event-ID to go on where you were";
    notice("closing", detail).into()
}

/// Shows that the connection lives.
pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b":\n\n")
}

#[cfg(test)]
mod tests {
    use domain::ports::Changed;

    use super::*;

    fn entry(number: u64, orders: std::ops::Range<i64>, products: &[&str]) -> ChangeEntry {
        ChangeEntry {
            position: Position::new(number, 0),
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
    fn only_the_last_slice_of_an_entry_ends_it() {
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
    fn what_is_named_twice_is_told_with_the_last() {
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
    fn an_entry_of_which_nothing_is_left_moves_its_readers_on() {
        let slices = slices(vec![entry(1, 0..1, &[]), entry(2, 0..1, &[])]);
        assert_eq!(shape(&slices), [(1, 0, 0, true), (2, 1, 0, true)]);
        let frame = Read::default().frame(&slices[0]);
        assert_eq!(frame.bytes, "id: 1-0\n\n");
    }

    #[test]
    fn a_part_ends_with_an_entry() {
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
    fn the_id_stands_at_the_last_event() {
        let level = |id: &str| StockLevel {
            product_id: ProductId::parse(id).unwrap(),
            quantity: 7,
            updated_at: domain::timestamp::Timestamp::from_micros(0),
        };
        let levels = ["p", "q"].map(|id| (ProductId::parse(id).unwrap(), level(id)));
        let read = Read {
            levels: levels.into(),
            ..Read::default()
        };
        let slices = slices(vec![entry(5, 0..0, &["p", "q", "gone"])]);
        let frame = read.frame(&slices[0]);
        let data = |id: &str| {
            format!(
                "event: stock\ndata: {{\"product_id\":\"{id}\",\"quantity\":7,\"updated_at\":\"1970-01-01T00:00:00.000000Z\"}}\n\n"
            )
        };
        assert_eq!(frame.bytes, format!("{}id: 5-0\n{}", data("p"), data("q")));
        assert!(frame.is_last);
    }
}
