//! The configured vendors, with the use cases to read and sync them.

mod configured;
mod single_flight;

pub(crate) use configured::VendorRules;
pub use configured::Vendors;
