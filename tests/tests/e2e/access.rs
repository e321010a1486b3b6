//! Access control and TLS of the standalone program. The program `api` shares the code; its own tests cover the rest.

use std::net::{Ipv4Addr, SocketAddr};

use api_keys::KeyHash;
use client::{Client, NewOrder, OrderStatus, PlaceOptions, ProblemKind};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use tests::{Standalone, assert_contains, eventually};

use crate::standalone::assert_refused;

#[tokio::test]
async fn public_address_without_api_keys_is_refused_before_the_data_file_is_created() {
    let standalone = Standalone::start(&[], "").await;
    let log = standalone.process.log();
    assert_eq!(log.matches("there are no API keys").count(), 1, "{log}");

    let dir = standalone.data().parent().unwrap().to_owned();
    let other = dir.join("other.db");
    let arguments = ["--data", other.to_str().unwrap(), "--port", "0"];
    let exposed = [("AGGREGATOR__API__ADDRESS", "0.0.0.0".to_owned())];
    let refused = standalone.start_another("exposed", &arguments, &exposed);
    assert_refused(refused, &["without API keys", "0.0.0.0", "api-key new"]).await;
    let missing = dir.join("none.crt");
    let missing = missing.to_str().unwrap();
    let no_tls = [
        ("AGGREGATOR__API__TLS__CERTIFICATE", missing.to_owned()),
        ("AGGREGATOR__API__TLS__KEY", missing.to_owned()),
    ];
    let refused = standalone.start_another("no-tls", &arguments, &no_tls);
    assert_refused(refused, &["TLS certificate", missing]).await;
    assert!(!other.exists());
}

/// Returns a client that trusts one certificate, and resolves localhost to the loopback address with this port.
fn https_client(certificate: &str, port: u16) -> reqwest::Client {
    // The HTTP client requires a crypto provider; a second installation fails and is ignored.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([certificate])
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .build()
        .unwrap()
}

#[tokio::test]
async fn api_keys_with_tls_allow_a_public_address_and_enforce_roles() {
    let mut standalone = Standalone::start(&[("vendor-a", &[("1", 50)])], "").await;
    let dir = standalone.data().parent().unwrap().to_owned();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = [dir.join("tls.crt"), dir.join("tls.key")];
    std::fs::write(&files[0], cert.pem()).unwrap();
    std::fs::write(&files[1], signing_key.serialize_pem()).unwrap();
    standalone.add_settings(&format!(
        "\n[api]\naddress = \"0.0.0.0\"\n[api.tls]\ncertificate = {:?}\nkey = {:?}\n\
         [[api_keys]]\nname = \"shop\"\nroles = [\"customer\"]\nhash = \"{}\"\n\
         [[api_keys]]\nname = \"desk\"\nroles = [\"operator\"]\nhash = \"{}\"\n",
        files[0],
        files[1],
        KeyHash::of(b"oa_shop"),
        KeyHash::of(b"oa_desk")
    ));
    assert!(standalone.process.terminate().await);
    let log_start = standalone.process.log().len();
    standalone.start_again();

    let port = standalone.port();
    let http = https_client(&cert.pem(), port);
    let url = format!("https://localhost:{port}");
    eventually("the process is ready", async || {
        let response = http.get(format!("{url}/readyz")).send().await.ok()?;
        let headers = response.headers();
        assert!(headers.contains_key("strict-transport-security"));
        response.status().is_success().then_some(())
    })
    .await;
    let client_with_key = |key: &str| {
        let client = Client::builder(&url).http_client(http.clone());
        client.api_key(key).build().unwrap()
    };
    let [other, shop, desk] = ["oa_other", "oa_shop", "oa_desk"].map(client_with_key);
    let (order, once) = (NewOrder::new("1", 3), PlaceOptions::default());
    let refused = other.place(&order, &once).await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::Unauthenticated));
    let placed = shop.place(&order, &once).await.unwrap().order;
    let refused = shop.change_status(placed.id, OrderStatus::Cancelled, None);
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::Forbidden));
    let cancelled = desk.change_status(placed.id, OrderStatus::Cancelled, None);
    assert_eq!(cancelled.await.unwrap().order.id, placed.id);

    let banner = eventually("the process logs that it is ready", async || {
        let log = standalone.process.log();
        let (_, log) = log.get(log_start..)?.split_once("is ready.")?;
        log.contains("limit=10").then(|| log.to_owned())
    })
    .await;
    assert_contains(&banner, &format!("https://127.0.0.1:{port}"));
    assert_contains(&banner, "Bearer $API_KEY");
    standalone.audit().await;
}
