//! Vendors with TLS, and a certificate of a private authority.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use vendor_feeds::{HttpAuth, InvalidOptions, SourceFeed};

use super::redirects::host;
use super::scripted::{Response, ScriptedServer};
use super::{http_feed, http_options, unavailable, units_of};

const REPORT: &str = r#"[{"productId":"1","quantity":50}]"#;

/// A private authority: its certificate in PEM, and a server with a certificate of it for 127.0.0.1.
fn authority() -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (issuer.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn certificate_of_a_private_authority_is_trusted_if_its_file_is_set() {
    let (pem, tls) = authority();
    let server = ScriptedServer::start_with(Some(tls), |_, _| Response::ok(REPORT)).await;
    let trusted = |pem: &str| {
        let pem = pem.as_bytes().to_vec();
        http_feed(&server.url("/stock"), |http| {
            http.ca_certificates = Some(pem);
        })
    };
    assert_eq!(units_of(&trusted(&pem), "1").await, Some(50));
    // One of several certificates in the file.
    let (other, _) = authority();
    assert_eq!(
        units_of(&trusted(&format!("{other}{pem}")), "1").await,
        Some(50)
    );
    let problem = unavailable(&trusted(&other)).await;
    assert!(problem.to_lowercase().contains("certificate"), "{problem}");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn file_without_a_certificate_is_refused() {
    let clock = Arc::new(clock_tokio::SystemClock);
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for (pem, expected) in [
        ("", "source.ca_file has no certificate in PEM"),
        ("no PEM", "source.ca_file has no certificate in PEM"),
        (
            broken,
            "source.ca_file is not a file of certificates in PEM",
        ),
    ] {
        let options = http_options("https://127.0.0.1/", |http| {
            http.ca_certificates = Some(pem.as_bytes().to_vec());
        });
        match SourceFeed::new(options, clock.clone()) {
            Err(InvalidOptions::Option(problem)) => assert_eq!(problem, expected),
            other => panic!("{pem}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn redirect_to_tls_is_followed_without_credentials_and_from_tls_is_refused() {
    let (pem, tls) = authority();
    let plain = ScriptedServer::start(|_, _| Response::ok(REPORT)).await;
    let location = plain.url("/stock");
    let secure =
        ScriptedServer::start_with(Some(tls), move |_, request| match request.target.as_str() {
            "/stock" => Response::ok(REPORT),
            _ => Response::redirect(302, &location),
        })
        .await;
    let feed = |url: &str, other: &ScriptedServer| {
        http_feed(url, |http| {
            http.ca_certificates = Some(pem.as_bytes().to_vec());
            http.redirect_hosts = vec![host(&other.authority())];
            http.auth = Some(HttpAuth::Bearer {
                token: "t0ken".into(),
            });
        })
    };
    let problem = unavailable(&feed(&secure.url("/"), &plain)).await;
    let authority = plain.authority();
    assert_eq!(
        problem,
        format!(
            "the redirect to the host {authority} leads from https to http, which source.redirect_hosts cannot allow"
        )
    );
    assert_eq!(plain.requests().len(), 0);

    let location = secure.url("/stock");
    let first = ScriptedServer::start(move |_, _| Response::redirect(301, &location)).await;
    assert_eq!(
        units_of(&feed(&first.url("/"), &secure), "1").await,
        Some(50)
    );
    assert_eq!(
        first.requests()[0].header("Authorization"),
        Some("Bearer t0ken")
    );
    let requests = secure.requests();
    assert_eq!(requests.last().unwrap().header("Authorization"), None);
}
