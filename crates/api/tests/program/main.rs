//! The program itself: how it starts, what it says when it cannot, and how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod access;
mod running;

use std::net::TcpListener;
use std::process::Command;

use storage_postgres::test_database::TestDatabase;

use crate::running::{Running, program};

#[track_caller]
fn assert_fails_with(command: &mut Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{stderr}");
    let complaints: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("api: "))
        .collect();
    assert_eq!(complaints.len(), 1, "{stderr}");
    for part in parts {
        assert!(complaints[0].contains(part), "{stderr}");
    }
}

#[test]
fn a_wrong_setting_ends_it_with_a_line_that_names_it() {
    assert_fails_with(program(None).env("PORT", "http"), &["PORT"]);
    assert_fails_with(
        program(None).args(["--config", "/nonexistent.toml"]),
        &["/nonexistent.toml"],
    );
}

#[test]
fn a_port_that_is_taken_ends_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_fails_with(program(None).env("PORT", &port), &["cannot listen", &port]);
}

#[test]
fn help_names_the_option() {
    let output = program(None).arg("--help").output().unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("--config <FILE>")
    );
}

#[test]
fn without_a_database_it_lives_and_says_that_it_is_not_ready() {
    let running = Running::start(None);
    assert!(
        running
            .send("GET", "/healthz", "")
            .starts_with("HTTP/1.1 200")
    );
    assert!(
        running
            .send("GET", "/readyz", "")
            .starts_with("HTTP/1.1 503")
    );
    let refused = running.send(
        "POST",
        "/api/v1/orders",
        r#"{"product_id": "a", "quantity": 1}"#,
    );
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    let (ended_well, log) = running.terminate();
    assert!(ended_well, "{log}");
}

#[tokio::test]
async fn over_postgresql_an_order_is_taken_read_listed_and_cancelled() {
    let database = TestDatabase::create().await.unwrap();
    let running = Running::start(Some(database.options()));
    assert!(
        running
            .send("GET", "/readyz", "")
            .starts_with("HTTP/1.1 200")
    );
    let order = r#"{"product_id": "a/b", "quantity": 1}"#;
    let placed = running.send("POST", "/api/v1/orders", order);
    assert!(placed.starts_with("HTTP/1.1 202"), "{placed}");
    let location = placed
        .lines()
        .find_map(|line| line.strip_prefix("location: "))
        .unwrap();
    let repeated = running.send("POST", "/api/v1/orders", order);
    assert!(
        repeated.contains("idempotent-replayed: true\r\n"),
        "{repeated}"
    );
    let cancelled = running.send("PATCH", location, r#"{"status": "CANCELLED"}"#);
    assert!(cancelled.starts_with("HTTP/1.1 200"), "{cancelled}");
    let shown = running.send("GET", location, "");
    assert!(shown.contains(r#""status":"CANCELLED""#), "{shown}");
    let listed = running.send("GET", "/api/v1/orders?product_id=a/b", "");
    assert_eq!(listed.matches(r#""id":"#).count(), 1, "{listed}");
    assert!(
        running
            .send("GET", "/api/v1/stock/a%2Fb", "")
            .starts_with("HTTP/1.1 404")
    );
    assert!(
        running
            .send("GET", "/api/v1/stock", "")
            .contains(r#"{"items":[],"next_cursor":null}"#)
    );
    let (ended_well, log) = running.terminate();
    assert!(ended_well, "{log}");
}

#[tokio::test]
async fn a_database_of_an_older_version_ends_it() {
    let database = TestDatabase::create().await.unwrap();
    database
        .execute("DELETE FROM __diesel_schema_migrations")
        .await
        .unwrap();
    assert_fails_with(
        &mut program(Some(database.options())),
        &["cargo xtask migrate"],
    );
}

#[tokio::test]
async fn a_database_with_an_import_that_has_not_ended_ends_it() {
    let database = TestDatabase::create().await.unwrap();
    let import = "INSERT INTO transfers (name) VALUES ('dump-of-monday')";
    database.execute(import).await.unwrap();
    assert_fails_with(
        &mut program(Some(database.options())),
        &["dump-of-monday", "run the import again"],
    );
}
