//! `/readyz` while a process cannot write: 503 within 5 s with a fixed text, and 200 after the cause is removed, without
//! a write request.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::Value;
use tests::{Consumer, Deployment, Process, Standalone, eventually};
use tokio::time::Instant;

/// Maximum delay of a readiness change, with a margin for a busy machine.
const MAX_DELAY: Duration = Duration::from_secs(7);

const CANNOT_WRITE: &str = "the store cannot be reached or cannot be written to";

/// Waits until `/readyz` returns this status and returns the body. Fails after `MAX_DELAY`.
async fn wait_for_status(client: &Consumer, status: u16) -> Value {
    let started = Instant::now();
    let (found, body) = eventually("readiness changes", async || {
        let (found, body) = client.readiness().await;
        (found == status || started.elapsed() > MAX_DELAY).then_some((found, body))
    })
    .await;
    assert_eq!(found, status, "{body}");
    body
}

/// Waits until `/readyz` reports a stuck task and returns the body.
async fn wait_until_stuck(client: &Consumer, task: &str, detail: &str) -> Value {
    let body = wait_for_status(client, 503).await;
    assert_eq!(body["status"], "not_ready");
    assert_eq!(body["tasks"][task]["state"], "stuck", "{body}");
    assert_eq!(body["tasks"][task]["detail"], detail, "{body}");
    body
}

/// Limits the size of the files that a process writes. Writes beyond the limit fail, as on a full disk.
fn limit_file_size(process: &Process, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Some(process.pid()), Resource::Fsize, limit).unwrap();
}

#[tokio::test]
async fn process_is_not_ready_while_its_data_file_cannot_grow() {
    let standalone = Standalone::start(&[("vendor-a", &[("1", 100)])], "").await;
    let client = standalone.client();
    let before = client.place_settled("1", 1).await;
    assert_eq!(client.readiness().await.0, 200);

    limit_file_size(&standalone.process, Some(1));
    assert!(client.try_place("1", 1, None).await.is_err());
    wait_until_stuck(&client, "batch_writer", CANNOT_WRITE).await;
    // Orders accepted before can still be read.
    assert_eq!(client.order(before.id).await.id, before.id);

    limit_file_size(&standalone.process, None);
    wait_for_status(&client, 200).await;
    client.place_settled("1", 1).await;
    standalone.audit().await;
}

/// Returns SQL that makes writes to a table fail, as on a standby or a read-only server.
fn refusing(table: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN RAISE EXCEPTION 'cannot execute in a read-only transaction' USING ERRCODE = '25006'; END$$; \
         CREATE TRIGGER refused BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse();"
    )
}

fn accepting(table: &str) -> String {
    format!("DROP TRIGGER refused ON {table};")
}

#[tokio::test]
async fn api_is_not_ready_while_the_database_refuses_writes() {
    let deployment = Deployment::builder().workers(0).start().await;
    let client = deployment.client(0);
    assert_eq!(client.readiness().await.0, 200);
    for table in ["orders", "write_probe"] {
        deployment.execute(&refusing(table)).await;
    }
    assert!(client.try_place("1", 1, None).await.is_err());
    let body = wait_until_stuck(&client, "batch_writer", CANNOT_WRITE).await;
    assert_eq!(body["dependencies"]["database"]["state"], "up", "{body}");
    assert!(!body.to_string().contains("read-only"), "{body}");

    for table in ["orders", "write_probe"] {
        deployment.execute(&accepting(table)).await;
    }
    wait_for_status(&client, 200).await;
    client.place("1", 1).await;
}

#[tokio::test]
async fn api_is_not_ready_while_a_write_hangs() {
    let deployment = Deployment::builder().workers(0).start().await;
    let client = deployment.client(0);
    let hang = "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN PERFORM pg_sleep(8); RETURN NULL; END$$; \
         CREATE TRIGGER hanging BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION hang();";
    deployment.execute(hang).await;
    let placing = tokio::spawn({
        let client = client.clone();
        async move { client.try_place("1", 1, None).await }
    });
    wait_until_stuck(&client, "batch_writer", "a write to the store does not end").await;
    placing.await.unwrap().unwrap();
    wait_for_status(&client, 200).await;
}

#[tokio::test]
async fn worker_is_not_ready_while_its_relay_fails() {
    let deployment = Deployment::start(&[("1", 100)]).await;
    let worker = deployment.worker_client(0);
    assert_eq!(worker.readiness().await.0, 200);
    // The API only inserts into the outbox.
    let refuse = refusing("outbox").replace("INSERT OR UPDATE", "UPDATE OR DELETE");
    deployment.execute(&refuse).await;
    let order = deployment.client(0).place("1", 1).await;
    wait_until_stuck(&worker, "relay", CANNOT_WRITE).await;

    deployment.execute(&accepting("outbox")).await;
    wait_for_status(&worker, 200).await;
    deployment.client(0).settled(order.id).await;
    deployment.audit().await;
}

#[tokio::test]
async fn worker_without_vendors_is_not_ready() {
    let standalone = Standalone::start_with("manual_vendors = []\nvendors = []\n").await;
    let cause = "no vendor is configured";
    wait_until_stuck(&standalone.client(), "vendor-set", cause).await;
}
