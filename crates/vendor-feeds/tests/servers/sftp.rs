//! Reports on OpenSSH.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use vendor_feeds::{SecretString, SftpLogin, SourceFeed};

use super::process::is_root;
use super::proxy::CuttingProxy;
use super::sshd::{PASSPHRASE, Sshd, fingerprint};
use super::*;

fn server() -> Sshd {
    Sshd::start(&["ed25519"], "")
}

fn key(server: &Sshd, name: &str, passphrase: Option<&str>) -> SftpLogin {
    SftpLogin::Key {
        key: fs::read_to_string(server.file(name)).unwrap().into(),
        passphrase: passphrase.map(SecretString::from),
    }
}

#[tokio::test]
async fn link_has_the_time_of_its_target() {
    let server = server();
    let at = |name: &str| server.reports().join(name);
    write(&at("report"), csv(7), 0);
    symlink("report", at("latest.csv")).unwrap();
    symlink("missing", at("later.csv")).unwrap();
    for name in ["latest.csv", "lat*.csv"] {
        let fetched = fetch(&feed(server.source(name, |_| {}))).await;
        assert_eq!(units(&fetched, "0012"), Some(7));
        assert_eq!(fetched.times.last_modified, modified());
    }
}

#[tokio::test]
async fn path_may_be_relative_to_the_directory_of_the_login() {
    let server = server();
    write(&server.reports().join("stock.csv"), csv(4), 0);
    write(&server.file("home.csv"), csv(5), 0);
    for (path, expected) in [("out/stock.csv", 4), ("home.csv", 5), ("out/*", 4)] {
        let feed = feed(server.source("", |options| options.path = path.to_owned()));
        assert_eq!(units(&fetch(&feed).await, "0012"), Some(expected), "{path}");
    }
}

#[tokio::test]
async fn large_file_is_read_whole() {
    let server = server();
    let text = incompressible(50_000);
    let path = server.reports().join("stock.csv");
    write(&path, &text, 0);
    let fetched = fetch(&feed(server.source("stock.csv", |_| {}))).await;
    assert_eq!(fetched.report.quantities().len(), 50_000);
}

#[tokio::test]
async fn user_logs_in_with_a_key_or_in_a_dialogue() {
    let server = server();
    write(&server.reports().join("stock.csv"), csv(1), 0);
    for login in [
        key(&server, "user_ed25519", Some(PASSPHRASE)),
        key(&server, "user_rsa", None),
    ] {
        let feed = feed(server.source("stock.csv", |options| options.login = login));
        assert_eq!(units(&fetch(&feed).await, "0012"), Some(1));
    }
}

#[tokio::test]
async fn key_that_cannot_be_used_is_named_with_the_reason() {
    let server = server();
    let other = key(&server, "sshd_config", None);
    for (login, problem) in [
        (
            key(&server, "user_ed25519", Some("wrong")),
            "is not opened by its passphrase (source.auth.passphrase_env)",
        ),
        (
            key(&server, "user_ed25519", None),
            "needs a passphrase, and source.auth.passphrase_env is not set",
        ),
        (
            key(&server, "user_rsa.pub", None),
            "is a public key, expected the private key, whose file usually has the same name without .pub",
        ),
        (
            other,
            "is not a private key in the format of OpenSSH or PEM",
        ),
    ] {
        let source = server.source("stock.csv", |options| options.login = login);
        let error = SourceFeed::new(options(source), Arc::new(SystemClock)).unwrap_err();
        assert_eq!(error.to_string(), format!("source.auth.key_file {problem}"));
    }
}

#[tokio::test]
async fn refused_login_is_named_without_the_password() {
    let server = server();
    let wrong = SftpLogin::Password(SecretString::from("hunter2"));
    let feed_with = |login| feed(server.source("stock.csv", |options| options.login = login));
    assert_eq!(
        unavailable(&feed_with(wrong.clone())).await,
        "the server refused the password of the user shop (source.auth); it accepts a login by publickey, password, keyboard-interactive"
    );
    let other = Sshd::start(
        &["ed25519"],
        "PasswordAuthentication no\nKbdInteractiveAuthentication no",
    );
    let feed = feed(other.source("stock.csv", |options| options.login = wrong));
    assert_eq!(
        unavailable(&feed).await,
        "the server refused the password of the user shop (source.auth); it accepts a login by publickey"
    );
    let feed = super::feed(other.source("stock.csv", |options| {
        options.login = key(&server, "user_rsa", None);
    }));
    let fingerprint = fingerprint(&server.file("user_rsa.pub"));
    assert_eq!(
        unavailable(&feed).await,
        format!(
            "the server refused the key {fingerprint} of the user shop (source.auth); it accepts a login by publickey"
        )
    );
}

#[tokio::test]
async fn every_key_of_a_server_is_accepted_by_its_fingerprint() {
    let server = Sshd::start(&["ed25519", "ecdsa", "rsa"], "");
    write(&server.reports().join("stock.csv"), csv(1), 0);
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let feed = feed(Source::Sftp(server.options(kind, "stock.csv")));
        for _ in 0..2 {
            assert_eq!(units(&fetch(&feed).await, "0012"), Some(1), "{kind}");
        }
    }
    let only_rsa = Sshd::start(&["rsa"], "");
    write(&only_rsa.reports().join("stock.csv"), csv(2), 0);
    let feed = feed(Source::Sftp(only_rsa.options("rsa", "stock.csv")));
    assert_eq!(units(&fetch(&feed).await, "0012"), Some(2));
}

#[tokio::test]
async fn server_with_another_key_gets_no_login() {
    let server = Sshd::start(&["ed25519", "rsa"], "LogLevel DEBUG1");
    let expected = format!("SHA256:{}", "A".repeat(43));
    let feed = feed(server.source("stock.csv", |options| {
        options.host_key = expected.clone();
    }));
    assert_eq!(
        unavailable(&feed).await,
        format!(
            "the server has the key {} (ssh-ed25519) and {} (ssh-rsa), expected {expected} (source.host_key): if the vendor \
             confirms the key, set source.host_key to it; no login was sent",
            server.fingerprint("ed25519"),
            server.fingerprint("rsa")
        )
    );
    let log = server.log();
    assert!(!log.contains("shop"), "{log}");
}

#[tokio::test]
async fn server_that_ends_is_named() {
    let server = server();
    write(
        &server.reports().join("stock.csv"),
        incompressible(100_000),
        0,
    );
    let through = |port| feed(server.source("stock.csv", |options| options.port = port));
    let shown = server.reports().join("stock.csv").display().to_string();
    for (bytes, expected) in [
        (100, "the SSH connection failed: early eof".to_owned()),
        (
            200_000,
            format!("cannot read {shown}: the server closed the connection"),
        ),
    ] {
        let proxy = CuttingProxy::start(server.port, bytes).await;
        assert_eq!(unavailable(&through(proxy.port)).await, expected, "{bytes}");
    }
    let port = process::free_port();
    assert_eq!(
        unavailable(&through(port)).await,
        format!("cannot connect to 127.0.0.1, port {port}: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn missing_and_unreadable_files_are_named() {
    let server = server();
    let reports = server.reports();
    let shown = reports.display();
    let problem = async |name: &str| unavailable(&feed(server.source(name, |_| {}))).await;
    assert_eq!(
        problem("*.csv").await,
        format!("no file matches {shown}/*.csv")
    );
    assert_eq!(
        problem("stock.csv").await,
        format!("cannot read {shown}/stock.csv: No such file")
    );
    assert_eq!(
        problem("missing/*.csv").await,
        format!("cannot read {shown}/missing: No such file")
    );
    fs::create_dir(reports.join("directory")).unwrap();
    assert_eq!(
        problem("directory").await,
        format!("{shown}/directory is not a file")
    );
    fs::set_permissions(reports.join("directory"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(
        problem("directory/*.csv").await,
        format!("cannot read {shown}/directory: Permission denied")
    );
    if is_root() {
        write(&reports.join("secret.csv"), csv(1), 0);
        fs::set_permissions(
            reports.join("secret.csv"),
            fs::Permissions::from_mode(0o600),
        )
        .unwrap();
        assert_eq!(
            problem("secret.csv").await,
            format!("cannot read {shown}/secret.csv: Permission denied")
        );
    }
}

#[tokio::test]
async fn file_that_is_not_finished_is_not_read() {
    let server = server();
    let path = server.reports().join("stock.csv");
    write(&path, "", 0);
    assert_eq!(
        unavailable(&feed(server.source("*.csv", |_| {}))).await,
        "the report is not ready: the file stock.csv is empty"
    );
    write_now(&path, csv(1));
    let growing = path.clone();
    let feed = feed_changing(server.source("*.csv", |_| {}), move || {
        write_now(&growing, csv(1) + "0013;1\n");
    });
    assert_eq!(
        unavailable(&feed).await,
        "the report is not ready: the file stock.csv still grows"
    );
}

#[tokio::test]
async fn connection_ends_with_the_fetch() {
    let server = Sshd::start(&["ed25519"], "LogLevel VERBOSE");
    write(&server.reports().join("stock.csv"), csv(1), 0);
    fetch(&feed(server.source("stock.csv", |_| {}))).await;
    let ended = async {
        while !server.log().contains("Connection closed by")
            && !server.log().contains("Disconnected from")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert!(ended.is_ok(), "{}", server.log());
}
