//! The mock vendors that the settings read from this machine, within this process.

use mock_vendor::MockVendor;
use mock_vendor::original;
use settings::VendorSettings;
use tracing::{info, warn};

/// Starts those that can be; where something else listens already, that is read. They run until they are stopped or
/// dropped.
pub(crate) fn start(vendors: &[VendorSettings]) -> Vec<MockVendor> {
    let urls: Vec<_> = vendors.iter().map(|vendor| &vendor.url).collect();
    let mut started = Vec::new();
    for (vendor, address) in original::read_from(&urls) {
        match vendor.start(address, 0) {
            Ok(mock) => {
                info!(vendor = vendor.name, url = mock.url(), "mock vendor serves");
                started.push(mock);
            }
            Err(error) => warn!(
                vendor = vendor.name,
                %address,
                %error,
                "mock vendor not started: whatever answers there is read"
            ),
        }
    }
    started
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use settings::Settings;

    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_left_to_who_has_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut vendors = Settings::load(None).unwrap().vendors;
        for (vendor, listener) in vendors.iter_mut().zip([&taken, &free]) {
            let port = listener.local_addr().unwrap().port();
            vendor.url.set_port(Some(port)).unwrap();
        }
        drop(free);
        let started = start(&vendors);
        let urls: Vec<String> = started.iter().map(MockVendor::url).collect();
        assert_eq!(urls, [vendors[1].url.as_str()]);
    }
}
