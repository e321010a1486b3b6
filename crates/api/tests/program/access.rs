//! Access to the program: loopback, API keys and TLS; and no keys in its log.

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
fn without_keys_the_api_listens_on_loopback_only_and_warns() {
    for address in ["0.0.0.0", "::"] {
        let mut exposed = program(None);
        exposed.env("AGGREGATOR__API__ADDRESS", address);
        let parts = ["without API keys", address, "api-key new", "api.address"];
        assert_fails_with(&mut exposed, &parts);
    }
    let running = Running::start(None);
    assert!(running.address.starts_with("127.0.0.1:"));
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
    assert_eq!(log.matches("there are no API keys").count(), 1, "{log}");
}

#[test]
fn with_keys_the_api_listens_on_any_address_and_requires_a_key() {
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
    // The request passed authentication; the database is unavailable.
    assert!(get("/api/v1/orders", &bearer(KEY)).starts_with("HTTP/1.1 503 "));
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
    assert!(!log.contains("there are no API keys"), "{log}");
}

#[test]
fn log_contains_neither_keys_nor_forged_lines() {
    let mut command = with_key();
    let running = Running::start_command(command.env("RUST_LOG", "trace"));
    let injection = "%0a%1b[2JERROR%20forged";
    for (method, target, head) in [
        ("GET", "/api/v1/orders".to_owned(), bearer(KEY)),
        ("GET", "/api/v1/orders".to_owned(), bearer(WRONG_KEY)),
        (
            "GET",
            format!("/api/v1/orders?{injection}={injection}"),
            bearer(KEY),
        ),
        ("GET", format!("/api/v1/stock/{injection}"), bearer(KEY)),
        ("PATCH", "/api/v1/orders/1".to_owned(), bearer(KEY)),
        (
            "GET",
            format!("/{injection}"),
            format!("X-Odd: {}\r\n", "\u{85}\u{9b}2Jforged"),
        ),
        (
            "OPTIONS",
            "/api/v1/orders".to_owned(),
            format!("Authorization: {KEY}\r\n"),
        ),
        (
            "GET",
            "/api/v1/stock".to_owned(),
            "X-Request-Id: id-of-the-shop\r\n".to_owned(),
        ),
    ] {
        let response = exchange(&mut running.connect(), method, &target, &head, "");
        assert!(response.starts_with("HTTP/1.1 "), "{response}");
        for secret in [KEY, WRONG_KEY] {
            assert!(!response.contains(secret), "{response}");
        }
        let (head, _) = response.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("forged"), "{head}");
    }
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
    assert!(
        log.contains("caller is not authenticated"),
        "the log level is not trace"
    );
    let span = "request{request.id=id-of-the-shop http.method=GET http.path=/api/v1/stock}";
    assert!(log.contains(span), "{log}");
    for secret in [KEY, WRONG_KEY, &KeyHash::of(KEY.as_bytes()).to_string()] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
    for line in log.lines() {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.starts_with("ERROR"), "{line:?}");
    }
}

/// A certificate for localhost with its key, as files.
struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let der = Self::write(&folder);
        Self { folder, der }
    }

    /// Replaces both files.
    fn renew(&mut self) {
        self.der = Self::write(&self.folder);
    }

    fn write(folder: &TempDir) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("tls.crt"), cert.pem()).unwrap();
        std::fs::write(folder.path().join("tls.key"), signing_key.serialize_pem()).unwrap();
        cert.der().clone()
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

    /// Returns a TLS client that trusts this certificate only.
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
fn with_a_certificate_the_api_serves_only_tls() {
    let certificate = Certificate::create();
    let running = Running::start_command(&mut certificate.program("tls.crt", "tls.key"));
    let mut stream = StreamOwned::new(certificate.client(), running.connect());
    let response = exchange(&mut stream, "GET", "/healthz", "", "");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(
        response.contains("\r\nstrict-transport-security: max-age="),
        "{response}"
    );

    let untrusted = Certificate::create();
    let mut stream = StreamOwned::new(untrusted.client(), running.connect());
    assert!(std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n").is_err());

    let mut plain = running.connect();
    std::io::Write::write_all(
        &mut plain,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    )
    .unwrap();
    let mut response = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut response);
    assert!(!response.starts_with(b"HTTP/"), "{response:?}");
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
}

#[test]
fn renewed_certificate_is_used_for_the_next_connection() {
    let mut certificate = Certificate::create();
    let running = Running::start_command(&mut certificate.program("tls.crt", "tls.key"));
    let get = |client: ClientConnection| {
        let mut stream = StreamOwned::new(client, running.connect());
        std::io::Write::write_all(
            &mut stream,
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )?;
        std::io::Read::read_exact(&mut stream, &mut [0; 12])
    };
    let before = certificate.client();
    get(certificate.client()).unwrap();
    certificate.renew();
    get(certificate.client()).unwrap();
    assert!(
        get(before).is_err(),
        "the replaced certificate is still used"
    );
    // Without a key, the last pair stays in use.
    std::fs::remove_file(certificate.path("tls.key")).unwrap();
    get(certificate.client()).unwrap();
    let (succeeded, log) = running.terminate();
    assert!(succeeded, "{log}");
    assert_eq!(log.matches("TLS files were replaced").count(), 1, "{log}");
    let kept = "replaced TLS files cannot be used; new connections use the previous ones";
    assert_eq!(log.matches(kept).count(), 1, "{log}");
}

#[test]
fn unusable_certificate_ends_the_program_with_an_error_that_names_the_file() {
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
