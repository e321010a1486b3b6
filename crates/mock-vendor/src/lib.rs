//! mock-vendor
