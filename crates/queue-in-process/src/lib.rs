//! queue-in-process
