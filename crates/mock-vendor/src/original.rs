//! The two vendors that the default settings read, to run beside the aggregator.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Host, Url};

use crate::{MockVendor, catalogue};

/// One of the two vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginalVendor {
    /// `A` or `B`.
    pub name: &'static str,
    /// Where its report is.
    pub path: &'static str,
    /// Its products and their units.
    pub stock: [(&'static str, i64); 2],
    /// What the quantities of a larger catalogue follow from.
    seed: u64,
}

/// Vendor A.
pub const VENDOR_A: OriginalVendor = OriginalVendor {
    name: "A",
    path: "/vendorA/stock",
    stock: [("1", 50), ("2", 100)],
    seed: 1,
};

/// Vendor B.
pub const VENDOR_B: OriginalVendor = OriginalVendor {
    name: "B",
    path: "/vendorB/stock",
    stock: [("3", 60), ("4", 40)],
    seed: 2,
};

impl OriginalVendor {
    /// Starts the vendor with its own stock, and `products` made-up ones more. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(&self, address: SocketAddr, products: u64) -> io::Result<MockVendor> {
        let own = self
            .stock
            .into_iter()
            .map(|(product, units)| (product.to_owned(), units));
        MockVendor::start(
            self.path,
            own.chain(catalogue(self.seed, products)),
            address,
        )
    }

    /// Where the vendor has to listen to be the one that is read from `url`; none if that is another one's URL.
    #[must_use]
    pub fn address_in(&self, url: &Url) -> Option<SocketAddr> {
        if url.scheme() != "http" || url.path() != self.path {
            return None;
        }
        let ip: IpAddr = match url.host()? {
            Host::Domain(name) if name.eq_ignore_ascii_case("localhost") => {
                Ipv4Addr::LOCALHOST.into()
            }
            Host::Domain(_) => return None,
            Host::Ipv4(ip) => ip.into(),
            Host::Ipv6(ip) => ip.into(),
        };
        ip.is_loopback()
            .then_some(SocketAddr::new(ip, url.port_or_known_default()?))
    }
}

/// Those of the two vendors that are read from some of the URLs, with the addresses to listen on.
#[must_use]
pub fn read_from(urls: &[&Url]) -> Vec<(OriginalVendor, SocketAddr)> {
    [VENDOR_A, VENDOR_B]
        .into_iter()
        .filter_map(|vendor| {
            let address = urls.iter().find_map(|url| vendor.address_in(url))?;
            Some((vendor, address))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(urls: &[&str]) -> Vec<String> {
        let urls: Vec<Url> = urls.iter().map(|url| url.parse().unwrap()).collect();
        let found = read_from(&urls.iter().collect::<Vec<_>>());
        let line = |(vendor, address): (OriginalVendor, SocketAddr)| {
            format!("{} at {address}", vendor.name)
        };
        found.into_iter().map(line).collect()
    }

    #[test]
    fn the_vendors_are_known_by_path_and_machine() {
        let original = [
            "http://127.0.0.1:5001/vendorA/stock",
            "http://127.0.0.1:5002/vendorB/stock",
        ];
        assert_eq!(
            found(&original),
            ["A at 127.0.0.1:5001", "B at 127.0.0.1:5002"]
        );
        assert_eq!(
            found(&[
                "http://[::1]/vendorB/stock",
                "http://LOCALHOST:7/vendorA/stock"
            ]),
            ["A at 127.0.0.1:7", "B at [::1]:80"]
        );
    }

    #[test]
    fn other_vendors_are_left_alone() {
        let others = [
            "http://vendor.example:5001/vendorA/stock",
            "http://10.0.0.1:5001/vendorA/stock",
            "https://127.0.0.1:5001/vendorA/stock",
            "http://127.0.0.1:5001/stock",
        ];
        assert!(found(&others).is_empty());
    }
}
