//! Rules of access that every HTTP server of the product follows, the API's and the worker's: which addresses may be bound
//! without keys, which hosts a request may name, and how a request presents a key.
//!
//! Without API keys everyone who reaches a server may do everything. So only loopback is bound then, and only requests that
//! name loopback are served: a page in a browser on this machine reaches loopback under a name of its own by DNS rebinding,
//! and that name is then in its requests.

mod bearer;
mod hosts;

use std::net::IpAddr;

pub use bearer::{Unauthenticated, bearer_key};
pub use hosts::{HostRefusal, HostRule};
pub use url::Host;

/// Whether a server on this address would be open to other machines without asking for a key.
#[must_use]
pub fn is_exposed(address: IpAddr, has_keys: bool) -> bool {
    !has_keys && !address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_every_address_but_loopback_is_exposed() {
        let exposed = |ip: &str, has_keys| is_exposed(ip.parse().unwrap(), has_keys);
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(!exposed(loopback, false), "{loopback}");
        }
        for open in ["0.0.0.0", "::", "10.0.0.1", "::ffff:0.0.0.0", "fe80::1"] {
            assert!(exposed(open, false), "{open}");
            assert!(!exposed(open, true), "{open}");
        }
    }
}
