//! Who may reach the embedded program, and what each may do. The program `api` shares the code; its own tests hold the rest.

use std::net::{Ipv4Addr, SocketAddr};

use api_keys::KeyHash;
use client::{Client, NewOrder, OrderStatus, PlaceOptions, ProblemKind};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use tests::{Standalone, eventually};

use crate::standalone::assert_refused;

#[tokio::test]
async fn without_keys_it_is_not_open_to_others_and_touches_nothing() {
    let standalone = Standalone::start(&[], "").await;
    let said = standalone.process.log();
    assert_eq!(said.matches("there are no API keys").count(), 1, "{said}");

    let folder = standalone.data().parent().unwrap().to_owned();
    let other = folder.join("other.db");
    let arguments = ["--data", other.to_str().unwrap(), "--port", "0"];
    let exposed = [("AGGREGATOR__API__ADDRESS", "0.0.0.0".to_owned())];
    let refused = standalone.start_another("exposed", &arguments, &exposed);
    assert_refused(refused, &["without API keys", "0.0.0.0", "api-key new"]).await;
    let missing = folder.join("none.crt");
    let missing = missing.to_str().unwrap();
    let no_tls = [
        ("AGGREGATOR__API__TLS__CERTIFICATE", missing.to_owned()),
        ("AGGREGATOR__API__TLS__KEY", missing.to_owned()),
    ];
    let refused = standalone.start_another("no-tls", &arguments, &no_tls);
    assert_refused(refused, &["TLS certificate", missing]).await;
    assert!(!other.exists());
}

/// Trusts one certificate, for the name localhost at some port.
fn https_client(certificate: &str, port: u16) -> reqwest::Client {
    // The HTTP client wants one; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = Certificate::from_pem(certificate.as_bytes()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([certificate])
        .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .build()
        .unwrap()
}

#[tokio::test]
async fn with_keys_and_tls_it_is_open_to_others_and_each_may_do_what_its_role_says() {
    let mut standalone = Standalone::start(&[("vendor-a", &[("1", 50)])], "").await;
    let folder = standalone.data().parent().unwrap().to_owned();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = [folder.join("tls.crt"), folder.join("tls.key")];
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
    let said_before = standalone.process.log().len();
    standalone.restart();

    let port = standalone.port();
    let http = https_client(&cert.pem(), port);
    let url = format!("https://localhost:{port}");
    eventually("it is ready", async || {
        let answer = http.get(format!("{url}/readyz")).send().await.ok()?;
        let headers = answer.headers();
        assert!(headers.contains_key("strict-transport-security"));
        answer.status().is_success().then_some(())
    })
    .await;
    let holder_of = |key: &str| {
        let client = Client::builder(&url).http_client(http.clone());
        client.api_key(key).build().unwrap()
    };
    let [other, shop, desk] = ["oa_other", "oa_shop", "oa_desk"].map(holder_of);
    let (order, once) = (NewOrder::new("1", 3), PlaceOptions::default());
    let refused = other.place(&order, &once).await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::Unauthenticated));
    let placed = shop.place(&order, &once).await.unwrap().order;
    let refused = shop.change_status(placed.id, OrderStatus::Cancelled, None);
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), Some(&ProblemKind::Forbidden));
    let cancelled = desk.change_status(placed.id, OrderStatus::Cancelled, None);
    assert_eq!(cancelled.await.unwrap().order.id, placed.id);

    let greeting = eventually("it says that it is ready", async || {
        let log = standalone.process.log();
        let (_, said) = log.get(said_before..)?.split_once("is ready.")?;
        said.contains("limit=10").then(|| said.to_owned())
    })
    .await;
    assert!(
        greeting.contains(&format!("https://127.0.0.1:{port}")),
        "{greeting}"
    );
    assert!(greeting.contains("Bearer $API_KEY"), "{greeting}");
    standalone.audit().await;
}
