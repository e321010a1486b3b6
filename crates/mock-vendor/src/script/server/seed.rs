//! Keys of servers that are the same after each start, so that the settings of a feed stay valid.

use sha2::{Digest as _, Sha256};

/// The seed of a vendor's key. It follows from the vendor's name and is no secret: a mock vendor has nothing to protect.
pub(super) fn seed(vendor: &str) -> [u8; 32] {
    Sha256::digest(format!("order-aggregator mock vendor {vendor}")).into()
}
