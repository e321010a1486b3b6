//! Access rules shared by the HTTP servers of the API and the worker: the addresses that may be bound without keys, the
//! hosts that a request may name, and the format of a key in a request.
//!
//! Without API keys every client may do everything. Servers then bind loopback only, and serve only requests that name
//! loopback, which protects against DNS rebinding: a web page can make the browser connect to loopback under the page's own
//! host name, but its requests name that host.

mod bearer;
mod hosts;

use std::net::IpAddr;

pub use bearer::{Unauthenticated, bearer_key};
pub use hosts::{HostRefusal, HostRule};
pub use url::Host;

/// Whether a server on this address would serve other machines without requiring a key.
#[must_use]
pub fn is_exposed(address: IpAddr, has_keys: bool) -> bool {
    !has_keys && !address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_every_address_except_loopback_is_exposed() {
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
