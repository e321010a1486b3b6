//! The program `api`: start, errors at start, and shutdown.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test"
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
    let errors: Vec<&str> = stderr
        .lines()
        .filter(|line| line.starts_with("order-aggregator-api: "))
        .collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    for part in parts {
        assert!(errors[0].contains(part), "{stderr}");
    }
}

#[test]
fn invalid_setting_ends_the_program_with_an_error_that_names_it() {
    assert_fails_with(program(None).env("PORT", "http"), &["PORT"]);
    assert_fails_with(
        program(None).args(["--config", "/nonexistent.toml"]),
        &["/nonexistent.toml"],
    );
}

#[test]
fn port_in_use_ends_the_program() {
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
fn without_a_database_the_api_is_live_but_not_ready() {
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
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
}

#[tokio::test]
async fn order_is_placed_read_listed_and_cancelled_on_postgresql() {
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
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
}

#[tokio::test]
async fn outdated_schema_ends_the_program() {
    let database = TestDatabase::create().await.unwrap();
    database
        .execute("DELETE FROM __diesel_schema_migrations")
        .await
        .unwrap();
    assert_fails_with(
        &mut program(Some(database.options())),
        &["order-aggregator-admin migrate"],
    );
}

#[tokio::test]
async fn unfinished_import_ends_the_program() {
    let database = TestDatabase::create().await.unwrap();
    let import = "INSERT INTO transfers (name) VALUES ('dump-of-monday')";
    database.execute(import).await.unwrap();
    assert_fails_with(
        &mut program(Some(database.options())),
        &["dump-of-monday", "run the import again"],
    );
}
