//! `/readyz` while a process cannot write: 503 within 5 s with a fixed text, and 200 after the cause is gone without any
//! request that would write.

use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use tests::{Consumer, Deployment, Process, Standalone, eventually};
use tokio::time::{Instant, sleep};

/// How soon readiness follows, with a margin for a busy machine.
const SOON: Duration = Duration::from_secs(7);

const CANNOT_WRITE: &str = "the store cannot be reached or cannot be written to";

async fn readiness(client: &Consumer) -> (u16, Value) {
    let response = client.try_get("/readyz").await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// Waits until the page has this status, which must be soon, and returns it.
async fn becomes(client: &Consumer, status: u16) -> Value {
    let started = Instant::now();
    let (found, body) = eventually("readiness follows", async || {
        let (found, body) = readiness(client).await;
        (found == status || started.elapsed() > SOON).then_some((found, body))
    })
    .await;
    assert_eq!(found, status, "{body}");
    body
}

/// Bounds the size of the files that a process writes: what is beyond cannot be written, as on a full disk.
fn bound_files(process: &Process, bytes: Option<u64>) {
    let pid = i32::try_from(process.id().unwrap()).unwrap();
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    prlimit(Pid::from_raw(pid), Resource::Fsize, limit).unwrap();
}

#[tokio::test]
async fn a_data_file_that_cannot_grow_makes_the_process_not_ready_until_it_can() {
    let standalone = Standalone::start(&[("vendor-a", &[("1", 100)])], "").await;
    let client = standalone.client();
    let before = client.place("1", 1).await;
    client.settled(before.id).await;
    assert_eq!(readiness(&client).await.0, 200);

    bound_files(&standalone.process, Some(1));
    assert!(client.try_place("1", 1, None).await.is_err());
    let body = becomes(&client, 503).await;
    assert_eq!(body["status"], "not_ready");
    assert_eq!(body["tasks"]["batch_writer"]["state"], "stuck", "{body}");
    assert_eq!(
        body["tasks"]["batch_writer"]["detail"], CANNOT_WRITE,
        "{body}"
    );
    // What was taken before is still shown.
    assert_eq!(client.order(before.id).await.id, before.id);

    bound_files(&standalone.process, None);
    sleep(SOON).await;
    let (status, body) = readiness(&client).await;
    assert_eq!(status, 200, "{body}");
    let after = client.place("1", 1).await;
    client.settled(after.id).await;
    standalone.audit().await;
}

/// Makes writes to a table fail as on a server that has become a standby, or is set to read only.
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
async fn a_database_that_refuses_writes_makes_the_api_not_ready_until_it_accepts_them() {
    let deployment = Deployment::builder().workers(0).start().await;
    let client = deployment.client(0);
    assert_eq!(readiness(&client).await.0, 200);
    for table in ["orders", "write_probe"] {
        deployment.database.execute(&refusing(table)).await.unwrap();
    }
    assert!(client.try_place("1", 1, None).await.is_err());
    let body = becomes(&client, 503).await;
    assert_eq!(body["dependencies"]["database"]["state"], "up", "{body}");
    assert_eq!(
        body["tasks"]["batch_writer"]["detail"], CANNOT_WRITE,
        "{body}"
    );
    assert!(!body.to_string().contains("read-only"), "{body}");

    for table in ["orders", "write_probe"] {
        deployment
            .database
            .execute(&accepting(table))
            .await
            .unwrap();
    }
    sleep(SOON).await;
    let (status, body) = readiness(&client).await;
    assert_eq!(status, 200, "{body}");
    client.place("1", 1).await;
}

#[tokio::test]
async fn a_write_that_hangs_makes_the_api_not_ready_until_it_ends() {
    let deployment = Deployment::builder().workers(0).start().await;
    let client = deployment.client(0);
    let hang = "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN PERFORM pg_sleep(8); RETURN NULL; END$$; \
         CREATE TRIGGER hanging BEFORE INSERT ON orders FOR EACH STATEMENT EXECUTE FUNCTION hang();";
    deployment.database.execute(hang).await.unwrap();
    let placing = tokio::spawn({
        let client = client.clone();
        async move { client.try_place("1", 1, None).await }
    });
    let body = becomes(&client, 503).await;
    assert_eq!(
        body["tasks"]["batch_writer"]["detail"], "a write to the store does not end",
        "{body}"
    );
    placing.await.unwrap().unwrap();
    becomes(&client, 200).await;
}

#[tokio::test]
async fn a_relay_that_fails_each_time_makes_its_worker_not_ready_until_it_works() {
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 100)])
        .start()
        .await;
    let worker = deployment.worker_client(0);
    assert_eq!(readiness(&worker).await.0, 200);
    // The API only inserts into the outbox.
    let refuse = refusing("outbox").replace("INSERT OR UPDATE", "UPDATE OR DELETE");
    deployment.database.execute(&refuse).await.unwrap();
    let order = deployment.client(0).place("1", 1).await;
    let body = becomes(&worker, 503).await;
    assert_eq!(body["tasks"]["relay"]["state"], "stuck", "{body}");
    assert_eq!(body["tasks"]["relay"]["detail"], CANNOT_WRITE, "{body}");

    deployment
        .database
        .execute(&accepting("outbox"))
        .await
        .unwrap();
    becomes(&worker, 200).await;
    deployment.client(0).settled(order.id).await;
    deployment.audit().await;
}

#[tokio::test]
async fn a_worker_without_any_vendor_is_not_ready() {
    let standalone = Standalone::start_with("manual_vendors = []\nvendors = []\n").await;
    let body = becomes(&standalone.client(), 503).await;
    assert_eq!(
        body["tasks"]["vendor-set"]["detail"], "no vendor is configured",
        "{body}"
    );
}
