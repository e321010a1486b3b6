//! An example: a queue over a directory, one file per message. It is small, and it passes the queue contracts.
//!
//! # Limits
//!
//! The queue polls, counts by listing, and does not sync the directory itself. Messages of the consumers of a killed process
//! stay below `delivered` until an operator moves them back.

mod consumer;
mod folders;
mod queue;

pub(crate) use consumer::DirectoryConsumer;
pub(crate) use queue::DirectoryQueue;
