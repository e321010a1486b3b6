//! Direct queries to the measured database, without the service.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use dev_env::connection;
use storage_postgres::PgOptions;
use tokio_postgres::Client;

use super::machine::Machine;

/// A separate connection to the database.
pub(super) struct Database {
    client: Client,
}

/// Time from the transaction that accepted an order to the write of its decision.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_field_names, reason = "the name includes the unit")]
pub(super) struct Settlement {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Database {
    pub(super) async fn connect(options: &PgOptions) -> Result<Self> {
        let client = connection::connect(options).await?;
        Ok(Self { client })
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn text(&self, sql: &str) -> Result<String> {
        Ok(self.client.query_one(sql, &[]).await?.get(0))
    }

    pub(super) async fn number(&self, sql: &str, at: i64) -> Result<i64> {
        Ok(self.client.query_one(sql, &[&at]).await?.get(0))
    }

    /// Fails unless commits are durable.
    pub(super) async fn check_durable(&self) -> Result<()> {
        for (setting, required) in [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
        ] {
            let found = self.text(&format!("SHOW {setting}")).await?;
            ensure!(
                found == required,
                "PostgreSQL has {setting} = {found}, but the benchmark requires durable commits"
            );
        }
        Ok(())
    }

    /// Adds PostgreSQL's version and settings to the report.
    pub(super) async fn describe(&self, machine: &mut Machine) -> Result<()> {
        let mut description = self.text("SHOW server_version").await?;
        for setting in [
            "fsync",
            "synchronous_commit",
            "wal_sync_method",
            "shared_buffers",
            "max_wal_size",
        ] {
            let value = self.text(&format!("SHOW {setting}")).await?;
            let _ = write!(description, ", {setting} = {value}");
        }
        machine.add("PostgreSQL", Some(description));
        Ok(())
    }

    /// Returns the process id of this connection's backend.
    pub(super) async fn backend(&self) -> Result<i32> {
        Ok(self
            .client
            .query_one("SELECT pg_backend_pid()", &[])
            .await?
            .get(0))
    }

    /// Returns the id of the newest order; 0 without orders.
    pub(super) async fn newest_order(&self) -> Result<i64> {
        self.number("SELECT coalesce(max(id), $1) FROM orders", 0)
            .await
    }

    /// Returns the number of settled orders after this one.
    pub(super) async fn settled_after(&self, order: i64) -> Result<i64> {
        let sql = "SELECT count(*) FROM orders WHERE id > $1 AND status <> 'PENDING'";
        self.number(sql, order).await
    }

    /// Returns how many of these orders exist and are settled.
    pub(super) async fn settled_among(&self, orders: &[i64]) -> Result<i64> {
        let sql = "SELECT count(*) FROM orders WHERE id = ANY($1) AND status <> 'PENDING'";
        Ok(self.client.query_one(sql, &[&orders]).await?.get(0))
    }

    /// Returns 1 if an order after this one is `PENDING`, 0 otherwise.
    pub(super) async fn pending_after(&self, order: i64) -> Result<i64> {
        let sql = "SELECT count(*) FROM (SELECT FROM orders WHERE status = 'PENDING' AND id > $1 LIMIT 1) AS waiting";
        self.number(sql, order).await
    }

    /// Returns the settlement times of the orders after this one.
    pub(super) async fn settlement_after(&self, order: i64) -> Result<Settlement> {
        const SQL: &str = "
SELECT percentile_disc(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP
    (ORDER BY extract(epoch FROM updated_at - created_at)::float8 * 1000)
FROM orders WHERE id > $1 AND status <> 'PENDING'";
        let row = self.client.query_one(SQL, &[&order]).await?;
        let values: Vec<f64> = row.try_get(0).context("no order was settled")?;
        let [p50_ms, p99_ms, max_ms] = values[..] else {
            anyhow::bail!("PostgreSQL returned {} percentiles", values.len());
        };
        Ok(Settlement {
            p50_ms,
            p99_ms,
            max_ms,
        })
    }
}
