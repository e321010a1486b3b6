//! Direct access to the data of a measured build: creates another build's database and stock, with tables and columns of the
//! first schema only, and reads settlement times from a data file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::BigInt;
use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, SqliteConnection};

use super::choices::PRODUCTS;
use super::database::{Database, Settlement};
use super::measure::as_f64;
use super::stock::{UNITS, VENDOR};

/// Recreates a database with migrations of another build.
pub(super) async fn recreate(database: &Database, migrations: &Path) -> Result<()> {
    let sql = "DROP SCHEMA public CASCADE; CREATE SCHEMA public;
        CREATE TABLE __diesel_schema_migrations (
            version varchar(50) PRIMARY KEY,
            run_on  timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
        )";
    database.execute(sql).await?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(migrations)? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in names {
        let name = name.to_string_lossy();
        let file = migrations.join(&*name).join("up.sql");
        let sql = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let version = version(&name);
        let migration = format!(
            "BEGIN; {sql}\n; INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}'); COMMIT"
        );
        database.execute(&migration).await?;
    }
    database.execute(&stock_sql("now()")).await
}

/// Returns the version that diesel records for a migration's directory.
fn version(name: &str) -> String {
    let version = name.split('_').next().unwrap_or(name);
    version.replace('-', "")
}

/// Returns SQL that adds the vendor with stock of each product. `now` is the time of the stock.
fn stock_sql(now: &str) -> String {
    format!(
        "INSERT INTO vendor_syncs (vendor_id, configured) VALUES ('{VENDOR}', true) ON CONFLICT DO NOTHING;
         INSERT INTO stock (product_id, quantity, updated_at)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {PRODUCTS})
         SELECT 'SKU-' || n, {UNITS}, {now} FROM numbers;
         INSERT INTO vendor_stock (product_id, vendor_id, reported, as_of)
         SELECT product_id, '{VENDOR}', quantity, {now} FROM stock;"
    )
}

/// A second connection to a data file.
pub(super) struct DataFile(SqliteConnection);

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl DataFile {
    pub(super) fn open(file: &Path) -> Result<Self> {
        let path = file.to_str().context("the path is not UTF-8")?;
        let mut connection = SqliteConnection::establish(path)?;
        connection.batch_execute("PRAGMA busy_timeout = 5000")?;
        Ok(Self(connection))
    }

    /// Adds stock to a data file that a program has created.
    pub(super) fn enter_stock(&mut self) -> Result<()> {
        let now = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";
        Ok(self.0.batch_execute(&stock_sql(now))?)
    }

    fn numbers(&mut self, sql: &str, at: i64) -> Result<Vec<i64>> {
        let query = diesel::sql_query(sql).bind::<BigInt, _>(at);
        let rows: Vec<Number> = query.load(&mut self.0)?;
        Ok(rows.into_iter().map(|row| row.number).collect())
    }

    /// Returns the id of the newest order; 0 without orders.
    pub(super) fn newest_order(&mut self) -> Result<i64> {
        let sql = "SELECT coalesce(max(id), ?) AS number FROM orders";
        Ok(self.numbers(sql, 0)?.first().copied().unwrap_or_default())
    }

    /// Returns the settlement times of the orders after this one.
    pub(super) fn settlement_after(&mut self, order: i64) -> Result<Settlement> {
        let sql = "SELECT updated_at - created_at AS number FROM orders
            WHERE id > ? AND status <> 'PENDING' ORDER BY 1";
        let sorted_us = self.numbers(sql, order)?;
        ensure!(!sorted_us.is_empty(), "no order was settled");
        Ok(Settlement {
            p50_ms: percentile_ms(&sorted_us, 50),
            p99_ms: percentile_ms(&sorted_us, 99),
            max_ms: percentile_ms(&sorted_us, 100),
        })
    }
}

/// Returns a percentile of sorted times, in ms: the first time that at least this share of the times does not exceed, as in
/// PostgreSQL's `percentile_disc`.
fn percentile_ms(sorted_us: &[i64], percent: usize) -> f64 {
    let rank = (sorted_us.len() * percent).div_ceil(100).max(1);
    let us = sorted_us.get(rank - 1).copied().unwrap_or_default();
    as_f64(u64::try_from(us).unwrap_or_default()) / 1000.0
}

#[cfg(test)]
mod tests {
    use settings::Settings;

    use super::*;
    use crate::system::{Servers, create_data_file};

    #[test]
    fn version_of_a_migration_has_no_hyphens() {
        assert_eq!(version("2026-11-24-000001_orders_flow"), "20261124000001");
    }

    #[test]
    fn percentile_is_one_of_the_times() {
        let sorted_us: Vec<i64> = (1..=200).map(|ms| ms * 1000).collect();
        for (percent, expected) in [(50, 100.0), (99, 198.0), (100, 200.0)] {
            assert!((percentile_ms(&sorted_us, percent) - expected).abs() < 1e-9);
        }
        assert!((percentile_ms(&[7_000], 50) - 7.0).abs() < 1e-9);
    }

    #[tokio::test]
    async fn recreated_database_has_the_schema_and_stock_of_the_migrations() {
        let settings = Settings::load(None).unwrap();
        let migrations = workspace::root().join("migrations/postgres");
        let servers = Servers::create(&settings, Some(&migrations)).await.unwrap();
        dev_env::audit::database(servers.options()).await.unwrap();
        let pending = storage_postgres::migrations::pending(servers.options());
        assert_eq!(pending.await.unwrap(), Vec::<String>::new());
        let database = servers.database().await.unwrap();
        let count = "SELECT count(*) FROM stock WHERE quantity > $1";
        assert_eq!(
            database.number(count, 0).await.unwrap(),
            i64::from(PRODUCTS)
        );
    }

    #[tokio::test]
    async fn settlement_times_are_read_from_a_data_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("orders.db");
        let settings = Settings::load(None).unwrap();
        create_data_file(&file, &settings).await.unwrap();
        let mut data = DataFile::open(&file).unwrap();
        assert_eq!(data.newest_order().unwrap(), 0);
        assert!(data.settlement_after(0).is_err());
        let sql = "INSERT INTO orders (id, product_id, quantity, status, reason, created_at, updated_at) VALUES
            (7, 'SKU-1', 1, 'REJECTED', 'MANUAL', 1000, 91000), (8, 'SKU-1', 1, 'REJECTED', 'MANUAL', 1000, 3500),
            (9, 'SKU-1', 1, 'PENDING', NULL, 1000, 1000)";
        data.0.batch_execute(sql).unwrap();
        assert_eq!(data.newest_order().unwrap(), 9);
        let settlement = data.settlement_after(7).unwrap();
        assert!((settlement.p50_ms - 2.5).abs() < 1e-9, "{settlement:?}");
    }
}
