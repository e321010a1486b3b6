//! The REST contract, held against a real server over a store whose contents and failures the tests decide.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

mod accepting;
mod arbitrary;
mod batches;
mod browsers;
mod changing;
mod client;
mod contract;
mod event_client;
mod event_readers;
mod events;
mod failures;
mod fake_feed;
mod fake_probe;
mod fake_store;
mod fake_work;
mod fixture;
mod health;
mod hosts;
mod idempotency;
mod keys;
mod lines;
mod listing;
mod measuring;
mod pacing;
mod protocol;
mod rate_limits;
mod reading;
mod request_ids;
mod rules;
mod vendors;
mod waiting;
