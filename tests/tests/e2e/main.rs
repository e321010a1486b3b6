//! End-to-end tests: the real binaries on a real PostgreSQL and RabbitMQ. Each test has its own database and vhost.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod access;
mod change_feed;
mod commits;
mod crashes;
mod dead_letters;
mod events;
mod evidence;
mod failover;
mod faults;
mod flow;
mod hostile;
mod keys;
mod large_reports;
mod load;
mod locked_rows;
mod logins;
mod max_age;
mod moving;
mod next_schema;
mod oversell;
mod pacing;
mod poolers;
mod pushing;
mod readiness;
mod renames;
mod repeats;
mod reports;
mod service_manager;
mod sharing;
mod standalone;
mod sync_logs;
mod syncing;
mod tls_broker;
mod tls_database;
mod traces;
mod twelve_vendors;
mod typed_client;
mod vendor_sets;
mod waiting;
