//! storage-memory
