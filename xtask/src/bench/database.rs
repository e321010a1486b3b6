//! Looking into the database that is measured, past the service.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use storage_postgres::PgOptions;
use tokio_postgres::{Client, NoTls};

use super::machine::Machine;

/// A connection of our own.
pub(super) struct Database {
    client: Client,
}

/// How long orders took from the transaction that accepted them to the write of the decision.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_field_names, reason = "a unit stands in the name")]
pub(super) struct Settlement {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Database {
    pub(super) async fn connect(options: &PgOptions) -> Result<Self> {
        let (client, connection) = options
            .login()
            .connect(NoTls)
            .await
            .context("cannot reach PostgreSQL")?;
        tokio::spawn(connection);
        Ok(Self { client })
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn text(&self, sql: &str) -> Result<String> {
        Ok(self.client.query_one(sql, &[]).await?.get(0))
    }

    async fn number(&self, sql: &str, at: i64) -> Result<i64> {
        Ok(self.client.query_one(sql, &[&at]).await?.get(0))
    }

    /// Refuses to go on where a commit is not durable.
    pub(super) async fn check_durable(&self) -> Result<()> {
        for (setting, good) in [
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
        ] {
            let found = self.text(&format!("SHOW {setting}")).await?;
            ensure!(
                found == good,
                "PostgreSQL has {setting} = {found}: what is not durable is not measured"
            );
        }
        Ok(())
    }

    /// Versions and settings, for the report.
    pub(super) async fn describe(&self, machine: &mut Machine) -> Result<()> {
        let mut which = self.text("SHOW server_version").await?;
        for setting in [
            "fsync",
            "synchronous_commit",
            "wal_sync_method",
            "shared_buffers",
            "max_wal_size",
        ] {
            let value = self.text(&format!("SHOW {setting}")).await?;
            let _ = write!(which, ", {setting} = {value}");
        }
        machine.add("PostgreSQL", Some(which));
        Ok(())
    }

    /// The process that serves this connection.
    pub(super) async fn backend(&self) -> Result<i32> {
        Ok(self
            .client
            .query_one("SELECT pg_backend_pid()", &[])
            .await?
            .get(0))
    }

    /// The newest order's number.
    pub(super) async fn newest_order(&self) -> Result<i64> {
        self.number("SELECT coalesce(max(id), $1) FROM orders", 0)
            .await
    }

    /// Orders after this one that are decided.
    pub(super) async fn settled_after(&self, order: i64) -> Result<i64> {
        let sql = "SELECT count(*) FROM orders WHERE id > $1 AND status <> 'PENDING'";
        self.number(sql, order).await
    }

    /// Orders after this one that are not decided yet.
    pub(super) async fn pending_after(&self, order: i64) -> Result<i64> {
        let sql = "SELECT count(*) FROM (SELECT FROM orders WHERE status = 'PENDING' AND id > $1 LIMIT 1) AS waiting";
        self.number(sql, order).await
    }

    /// How long the orders after this one took to settle.
    pub(super) async fn settlement_after(&self, order: i64) -> Result<Settlement> {
        const SQL: &str = "
SELECT percentile_disc(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP
    (ORDER BY extract(epoch FROM updated_at - created_at)::float8 * 1000)
FROM orders WHERE id > $1 AND status <> 'PENDING'";
        let row = self.client.query_one(SQL, &[&order]).await?;
        let values: Vec<f64> = row.try_get(0).context("no order was settled")?;
        let [p50_ms, p99_ms, max_ms] = values[..] else {
            anyhow::bail!("PostgreSQL gave {} percentiles", values.len());
        };
        Ok(Settlement {
            p50_ms,
            p99_ms,
            max_ms,
        })
    }
}
