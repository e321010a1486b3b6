//! The SQL type of an instant: `timestamptz` in PostgreSQL, microseconds since 1970-01-01T00:00:00Z in SQLite.

use diesel::sql_types::SqlType;

/// The SQL type of the columns that are read and written as [`Timestamp`](domain::timestamp::Timestamp).
#[derive(Debug, Clone, Copy, SqlType)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct Instant;

#[cfg(feature = "postgres")]
mod postgres {
    use diesel::deserialize::{self, FromSql};
    use diesel::pg::{Pg, PgValue};
    use diesel::serialize::{self, Output, ToSql};
    use diesel::sql_types::BigInt;
    use domain::timestamp::Timestamp;

    use super::Instant;

    /// Microseconds from 1970-01-01, the epoch of the domain, to 2000-01-01, that of PostgreSQL.
    const EPOCH_OFFSET_MICROS: i64 = 946_684_800_000_000;

    impl FromSql<Instant, Pg> for Timestamp {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            let micros = <i64 as FromSql<BigInt, Pg>>::from_sql(value)?;
            Ok(Self::from_micros(
                micros.saturating_add(EPOCH_OFFSET_MICROS),
            ))
        }
    }

    impl ToSql<Instant, Pg> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            let micros = self.as_micros().saturating_sub(EPOCH_OFFSET_MICROS);
            <i64 as ToSql<BigInt, Pg>>::to_sql(&micros, &mut out.reborrow())
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use diesel::deserialize::{self, FromSql};
    use diesel::serialize::{self, IsNull, Output, ToSql};
    use diesel::sql_types::BigInt;
    use diesel::sqlite::{Sqlite, SqliteValue};
    use domain::timestamp::Timestamp;

    use super::Instant;

    impl FromSql<Instant, Sqlite> for Timestamp {
        fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
            <i64 as FromSql<BigInt, Sqlite>>::from_sql(value).map(Self::from_micros)
        }
    }

    impl ToSql<Instant, Sqlite> for Timestamp {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
            out.set_value(self.as_micros());
            Ok(IsNull::No)
        }
    }
}
