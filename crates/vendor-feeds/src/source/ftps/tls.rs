//! The TLS of FTPS: which certificates are accepted.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use suppaftp::tokio_rustls::rustls;

use crate::excerpt::excerpt;

/// The configuration of all connections to a server, with `authorities` in PEM in place of those of the system. The error is a
/// one-line description of the problem.
pub(super) fn client_config(authorities: Option<&[u8]>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| excerpt(&error.to_string()))?;
    let Some(pem) = authorities else {
        let builder = builder.with_platform_verifier().map_err(|error| {
            let error = excerpt(&error.to_string());
            format!("the certificates of this system cannot be used ({error}): set source.ca_file")
        })?;
        return Ok(builder.with_no_client_auth());
    };
    let invalid = |detail: String| format!("source.ca_file has an invalid certificate: {detail}");
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| invalid(excerpt(&error.to_string())))?;
    if certificates.is_empty() {
        return Err("source.ca_file has no certificate in PEM".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        let added = roots.add(certificate.clone());
        added.map_err(|error| invalid(excerpt(&error.to_string())))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| invalid(excerpt(&error.to_string())))?;
    let verifier = ListedOrSigned {
        listed: certificates,
        verifier,
    };
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Accepts the listed certificates themselves, and certificates that they signed. Many servers have a self-signed
/// certificate that is marked as that of an authority, which the usual check refuses for a server.
#[derive(Debug)]
struct ListedOrSigned {
    listed: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for ListedOrSigned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.listed.iter().any(|listed| listed == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
