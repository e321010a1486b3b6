//! A queue over a directory, one file a message: small enough to be read in one go, and right by the contracts.
//!
//! # What is not here
//!
//! It is an example: it polls and counts by listing, it does not flush the directory itself, and what was with the
//! consumers of a process that was killed waits below `delivered` until a person moves it back.

mod consumer;
mod folders;
mod queue;

pub(crate) use consumer::DirectoryConsumer;
pub(crate) use queue::DirectoryQueue;
