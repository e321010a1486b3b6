//! Tests of the REST contract: requests to a real server over a store whose rows and failures the tests set.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test"
)]

mod accepting;
mod arbitrary;
mod batches;
mod browsers;
mod changing;
mod client;
mod contract;
mod event_client;
mod event_subscribers;
mod events;
mod failures;
mod fake_feed;
mod fake_probe;
mod fake_store;
mod fake_unit_of_work;
mod fake_vendors;
mod fixture;
mod health;
mod hosts;
mod idempotency;
mod keys;
mod lines;
mod listing;
mod measuring;
mod operations;
mod pacing;
mod pausing;
mod protocol;
mod push_bodies;
mod push_vendor;
mod pushing;
mod quarantine;
mod rate_limits;
mod reading;
mod request_ids;
mod runs;
mod vendors;
mod waiting;
