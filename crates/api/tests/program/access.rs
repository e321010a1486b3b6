//! Who may reach the program: this machine, who has a key, and who speaks TLS. And that keys stay out of its log.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use api_keys::KeyHash;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::assert_fails_with;
use crate::running::{Running, exchange, program};

const KEY: &str = "oa_the-key-of-the-shop";
const WRONG_KEY: &str = "oa_a-key-that-is-not-known";

fn with_key() -> Command {
    let mut command = program(None);
    let key = format!("shop:customer:{}", KeyHash::of(KEY.as_bytes()));
    command.env("AGGREGATOR__API_KEYS", key);
    command
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

#[test]
fn without_keys_it_listens_to_this_machine_alone_and_says_so() {
    for address in ["0.0.0.0", "::"] {
        let mut exposed = program(None);
        exposed.env("AGGREGATOR__API__ADDRESS", address);
        let parts = ["without API keys", address, "api-key new", "api.address"];
        assert_fails_with(&mut exposed, &parts);
    }
    let running = Running::start(None);
    assert!(running.address.starts_with("127.0.0.1:"));
    let (ended_well, log) = running.terminate();
    assert!(ended_well, "{log}");
    assert_eq!(log.matches("there are no API keys").count(), 1, "{log}");
}

#[test]
fn with_keys_it_may_be_open_to_others_and_asks_for_one() {
    let mut command = with_key();
    let running = Running::start_command(command.env("AGGREGATOR__API__ADDRESS", "0.0.0.0"));
    let get = |target: &str, head: &str| exchange(&mut running.connect(), "GET", target, head, "");
    assert!(get("/healthz", "").starts_with("HTTP/1.1 200 "));
    let refused = get("/api/v1/orders", "");
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(
        refused.contains("www-authenticate: Bearer realm="),
        "{refused}"
    );
    assert!(get("/api/v1/orders", &bearer(WRONG_KEY)).starts_with("HTTP/1.1 401 "));
    // The database is away: so far the request came.
    assert!(get("/api/v1/orders", &bearer(KEY)).starts_with("HTTP/1.1 503 "));
    let (ended_well, log) = running.terminate();
    assert!(ended_well, "{log}");
    assert!(!log.contains("there are no API keys"), "{log}");
}

#[test]
fn no_key_reaches_the_log_and_nothing_forges_a_line() {
    let mut command = with_key();
    let running = Running::start_command(command.env("RUST_LOG", "trace"));
    let nasty = "%0a%1b[2JERROR%20forged";
    for (method, target, head) in [
        ("GET", "/api/v1/orders".to_owned(), bearer(KEY)),
        ("GET", "/api/v1/orders".to_owned(), bearer(WRONG_KEY)),
        (
            "GET",
            format!("/api/v1/orders?{nasty}={nasty}"),
            bearer(KEY),
        ),
        ("GET", format!("/api/v1/stock/{nasty}"), bearer(KEY)),
        ("PATCH", "/api/v1/orders/1".to_owned(), bearer(KEY)),
        (
            "GET",
            format!("/{nasty}"),
            format!("X-Odd: {}\r\n", "\u{85}\u{9b}2Jforged"),
        ),
        (
            "OPTIONS",
            "/api/v1/orders".to_owned(),
            format!("Authorization: {KEY}\r\n"),
        ),
    ] {
        let answer = exchange(&mut running.connect(), method, &target, &head, "");
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        for secret in [KEY, WRONG_KEY] {
            assert!(!answer.contains(secret), "{answer}");
        }
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("forged"), "{head}");
    }
    let (ended_well, log) = running.terminate();
    assert!(ended_well, "{log}");
    assert!(
        log.contains("it is not known who calls"),
        "the log is not of the level that was asked for"
    );
    for secret in [KEY, WRONG_KEY, &KeyHash::of(KEY.as_bytes()).to_string()] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
    for line in log.lines() {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.starts_with("ERROR"), "{line:?}");
    }
}

/// A certificate for localhost, in files.
struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
        Self {
            folder,
            der: cert.der().clone(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, certificate: &str, key: &str) -> Command {
        let mut command = program(None);
        command
            .env("AGGREGATOR__API__TLS__CERTIFICATE", self.path(certificate))
            .env("AGGREGATOR__API__TLS__KEY", self.path(key));
        command
    }

    /// A client that trusts this certificate and no other.
    fn client(&self) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        ClientConnection::new(Arc::new(config), name).unwrap()
    }
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let certificate = Certificate::create();
    let running = Running::start_command(&mut certificate.program("tls.crt", "tls.key"));
    let mut stream = StreamOwned::new(certificate.client(), running.connect());
    let answer = exchange(&mut stream, "GET", "/healthz", "", "");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        answer.contains("\r\nstrict-transport-security: max-age="),
        "{answer}"
    );

    let stranger = Certificate::create();
    let mut stream = StreamOwned::new(stranger.client(), running.connect());
    assert!(std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n").is_err());

    let mut plain = running.connect();
    std::io::Write::write_all(
        &mut plain,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    let (ended_well, log) = running.terminate();
    assert!(ended_well, "{log}");
}

#[test]
fn a_certificate_that_cannot_be_used_ends_it_with_a_line_that_names_the_file() {
    let certificate = Certificate::create();
    let missing = certificate.path("missing.crt");
    assert_fails_with(
        &mut certificate.program("missing.crt", "tls.key"),
        &["TLS certificate", missing.to_str().unwrap(), "No such file"],
    );
    assert_fails_with(
        &mut certificate.program("tls.crt", "tls.crt"),
        &["TLS key", certificate.path("tls.crt").to_str().unwrap()],
    );
    let other = Certificate::create();
    std::fs::copy(other.path("tls.key"), certificate.path("other.key")).unwrap();
    let other = certificate.path("other.key");
    assert_fails_with(
        &mut certificate.program("tls.crt", "other.key"),
        &["cannot be used together", other.to_str().unwrap()],
    );
}
