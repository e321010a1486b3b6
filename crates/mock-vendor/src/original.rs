//! The two vendors of the default settings.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use url::{Host, Url};

use crate::{MockVendor, catalogue};

/// A vendor of the default settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginalVendor {
    /// `A` or `B`.
    pub name: &'static str,
    /// Path of the report.
    pub path: &'static str,
    /// Port in the default settings.
    pub port: u16,
    /// Units by product.
    pub stock: [(&'static str, i64); 2],
    /// Seed of the quantities of additional products.
    seed: u64,
}

/// Vendor A.
pub const VENDOR_A: OriginalVendor = OriginalVendor {
    name: "A",
    path: "/vendorA/stock",
    port: 5001,
    stock: [("1", 50), ("2", 100)],
    seed: 1,
};

/// Vendor B.
pub const VENDOR_B: OriginalVendor = OriginalVendor {
    name: "B",
    path: "/vendorB/stock",
    port: 5002,
    stock: [("3", 60), ("4", 40)],
    seed: 2,
};

impl OriginalVendor {
    /// Starts the vendor with its own stock and `products` generated products. Requires a Tokio runtime.
    ///
    /// # Errors
    /// Binding to the address failed.
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

    /// Returns the loopback address at which this vendor serves `url`, or `None` if `url` is not one of this vendor.
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

/// Returns the vendors that `urls` refer to, with the addresses to listen on.
#[must_use]
pub fn read_from<'a>(urls: impl IntoIterator<Item = &'a Url>) -> Vec<(OriginalVendor, SocketAddr)> {
    let urls: Vec<_> = urls.into_iter().collect();
    let find = |vendor: OriginalVendor| {
        let address = urls.iter().find_map(|url| vendor.address_in(url))?;
        Some((vendor, address))
    };
    [VENDOR_A, VENDOR_B].into_iter().filter_map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(urls: &[&str]) -> Vec<String> {
        let urls: Vec<Url> = urls.iter().map(|url| url.parse().unwrap()).collect();
        let found = read_from(&urls);
        let line = |(vendor, address): (OriginalVendor, SocketAddr)| {
            format!("{} at {address}", vendor.name)
        };
        found.into_iter().map(line).collect()
    }

    #[test]
    fn vendors_match_by_path_on_loopback_addresses() {
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
    fn urls_of_other_vendors_do_not_match() {
        let others = [
            "http://vendor.example:5001/vendorA/stock",
            "http://10.0.0.1:5001/vendorA/stock",
            "https://127.0.0.1:5001/vendorA/stock",
            "http://127.0.0.1:5001/stock",
        ];
        assert!(found(&others).is_empty());
    }
}
