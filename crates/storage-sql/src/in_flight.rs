//! The units in flight of all vendors.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable};
use domain::ports::InFlight;
use domain::timestamp::Timestamp;

use crate::Instant;

/// The sum of the units in flight, the acceptance of the oldest `CONFIRMED` order, the oldest shipment that no report
/// includes, and the store's clock.
#[derive(QueryableByName)]
pub struct InFlightRow {
    #[diesel(sql_type = BigInt)]
    units: i64,
    #[diesel(sql_type = Nullable<Instant>)]
    confirmed_at: Option<Timestamp>,
    #[diesel(sql_type = Nullable<Instant>)]
    shipped_at: Option<Timestamp>,
    #[diesel(sql_type = Instant)]
    now: Timestamp,
}

/// Converts the row.
#[must_use]
pub fn in_flight(rows: &[InFlightRow]) -> InFlight {
    rows.first().map_or_else(InFlight::default, |row| InFlight {
        units: row.units.unsigned_abs(),
        oldest_confirmed: row.confirmed_at.map(|instant| row.now.since(instant)),
        oldest_shipped: row.shipped_at.map(|instant| row.now.since(instant)),
    })
}
