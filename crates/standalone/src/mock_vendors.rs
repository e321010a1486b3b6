//! Mock vendors, in this process, for vendors whose URL in the settings is on this machine.

use mock_vendor::MockVendor;
use mock_vendor::original;
use settings::VendorSettings;
use tracing::{info, warn};

/// Starts the mock vendors whose port is free. They run until they are stopped or dropped.
pub(crate) fn start(vendors: &[VendorSettings]) -> Vec<MockVendor> {
    let mut started = Vec::new();
    for (vendor, address) in original::read_from(vendors.iter().map(|vendor| vendor.source.url())) {
        match vendor.start(address, 0) {
            Ok(mock) => {
                info!(
                    vendor = vendor.name,
                    url = mock.url(),
                    "mock vendor started"
                );
                started.push(mock);
            }
            Err(error) => warn!(
                vendor = vendor.name,
                %address,
                %error,
                "mock vendor not started: the address is in use"
            ),
        }
    }
    started
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use settings::{Settings, SourceSettings};

    use super::*;

    #[tokio::test]
    async fn mock_vendor_is_not_started_on_a_port_in_use() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut vendors = Settings::load(None).unwrap().vendors;
        for (vendor, listener) in vendors.iter_mut().zip([&taken, &free]) {
            let port = listener.local_addr().unwrap().port();
            let SourceSettings::Http(http) = &mut vendor.source else {
                panic!("{:?}", vendor.source);
            };
            http.url.set_port(Some(port)).unwrap();
        }
        drop(free);
        let started = start(&vendors);
        let urls: Vec<String> = started.iter().map(MockVendor::url).collect();
        assert_eq!(urls, [vendors[1].source.url().as_str()]);
    }
}
