//! The self-signed certificate of a vendor.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::script::server::seed::seed;

/// The bytes of a private key of Ed25519 in PKCS #8 before the 32 bytes of its seed (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The configuration of a server that listens on this address, and its certificate in PEM. Both follow from the name of the
/// vendor and the address.
pub(super) fn server_config(vendor: &str, address: IpAddr) -> io::Result<(ServerConfig, String)> {
    build(vendor, address).map_err(io::Error::other)
}

fn build(
    vendor: &str,
    address: IpAddr,
) -> Result<(ServerConfig, String), Box<dyn Error + Send + Sync>> {
    let key = [PKCS8_PREFIX.as_slice(), &seed(vendor)].concat();
    let key = PrivatePkcs8KeyDer::from(key);
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ED25519)?;
    let names = ["localhost".to_owned(), address.to_string()];
    let certificate = CertificateParams::new(names)?.self_signed(&pair)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    Ok((config, certificate.pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_of_a_vendor_is_the_same_after_each_start() {
        let certificate = |vendor| {
            server_config(vendor, IpAddr::from([127, 0, 0, 1]))
                .unwrap()
                .1
        };
        let first = certificate("acme");
        assert!(first.starts_with("-----BEGIN CERTIFICATE-----"), "{first}");
        assert_eq!(certificate("acme"), first);
        assert_ne!(certificate("globex"), first);
    }
}
