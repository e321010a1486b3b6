//! Reports on vsftpd and pyftpdlib.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use vendor_feeds::{FtpsTls, SecretString};

use super::ftpd::{Certificate, Ftpd};
use super::*;

fn vsftpd(tls: FtpsTls) -> Ftpd {
    Ftpd::vsftpd(tls, Certificate::Signed, "")
}

fn explicit() -> Ftpd {
    vsftpd(FtpsTls::Explicit)
}

#[tokio::test]
async fn link_has_the_time_of_its_target() {
    for server in [explicit(), Ftpd::pyftpdlib()] {
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
}

#[tokio::test]
async fn local_times_of_a_server_are_read_in_its_zone() {
    // Tests run in any zone: the server's is stated for this process alone.
    let server = Ftpd::vsftpd_in_zone("Asia/Kolkata");
    write(&server.reports().join("stock.csv"), csv(1), 0);
    let read = async |zone: Option<&str>| {
        let source = server.source("stock.csv", |options| {
            options.time_zone = zone.map(str::to_owned);
        });
        fetch(&feed(source)).await.times.last_modified
    };
    let ahead = modified().map(|time| time.plus(Duration::from_mins(330)));
    assert_eq!(read(None).await, ahead);
    assert_eq!(read(Some("Asia/Kolkata")).await, modified());
}

#[tokio::test]
async fn large_file_is_read_whole() {
    for server in [explicit(), Ftpd::pyftpdlib()] {
        write(
            &server.reports().join("stock.csv"),
            incompressible(50_000),
            0,
        );
        let fetched = fetch(&feed(server.source("stock.csv", |_| {}))).await;
        assert_eq!(fetched.report.quantities().len(), 50_000);
    }
}

#[tokio::test]
async fn certificate_of_the_server_must_be_listed_or_signed() {
    let own = Ftpd::vsftpd(FtpsTls::Explicit, Certificate::OwnAuthority, "");
    let other = explicit();
    for server in [&own, &other] {
        write(&server.reports().join("stock.csv"), csv(1), 0);
    }
    assert_eq!(
        units(&fetch(&feed(own.source("stock.csv", |_| {}))).await, "0012"),
        Some(1)
    );
    let foreign = own.options("stock.csv").authorities;
    let feed = feed(other.source("stock.csv", |options| options.authorities = foreign));
    assert_eq!(
        unavailable(&feed).await,
        "cannot establish TLS: invalid peer certificate: BadSignature"
    );
    assert!(!other.log().contains("\"USER "), "{}", other.log());
}

#[tokio::test]
async fn server_without_tls_gets_no_login() {
    let server = Ftpd::vsftpd(FtpsTls::Explicit, Certificate::Signed, "ssl_enable=NO");
    assert_eq!(
        unavailable(&feed(server.source("stock.csv", |_| {}))).await,
        "cannot establish TLS: 530 Please login with USER and PASS."
    );
    assert!(!server.log().contains("\"USER "), "{}", server.log());
}

#[tokio::test]
async fn refused_login_is_named_without_the_password() {
    for (server, reason) in [
        (explicit(), "530 Login incorrect."),
        (Ftpd::pyftpdlib(), "530 Authentication failed."),
    ] {
        let feed = feed(server.source("stock.csv", |options| {
            options.password = SecretString::from("hunter2");
        }));
        assert_eq!(
            unavailable(&feed).await,
            format!("the server refused the login (source.auth): {reason}")
        );
    }
}

#[tokio::test]
async fn server_that_ends_is_named() {
    let mut server = Ftpd::vsftpd(FtpsTls::Explicit, Certificate::Signed, "anon_max_rate=1000");
    write(
        &server.reports().join("stock.csv"),
        incompressible(10_000),
        0,
    );
    let feed = feed(server.source("stock.csv", |_| {}));
    let fetched = tokio::spawn(async move { unavailable(&feed).await });
    while !server.log().contains("RETR") && !fetched.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.kill();
    let problem = fetched.await.unwrap();
    assert!(problem.starts_with("cannot read stock.csv: "), "{problem}");
    let port = server.port;
    assert_eq!(
        unavailable(&super::feed(server.source("stock.csv", |_| {}))).await,
        format!("cannot connect to 127.0.0.1, port {port}: Connection refused (os error 111)")
    );
}

#[tokio::test]
async fn missing_and_unreadable_files_are_named() {
    for (server, denied, no_directory) in [
        (
            explicit(),
            "550 Failed to change directory.",
            "550 Failed to change directory.",
        ),
        (
            Ftpd::pyftpdlib(),
            "550 Permission denied.",
            "550 No such file or directory.",
        ),
    ] {
        let problem = async |name: &str| unavailable(&feed(server.source(name, |_| {}))).await;
        assert_eq!(problem("*.csv").await, "no file matches /out/*.csv");
        assert_eq!(
            problem("stock.csv").await,
            "there is no file stock.csv in /out"
        );
        fs::create_dir(server.reports().join("directory")).unwrap();
        assert_eq!(
            problem("directory").await,
            "there is no file directory in /out"
        );
        assert_eq!(
            problem("missing/*.csv").await,
            format!("cannot read /out/missing: {no_directory}")
        );
        let closed = server.reports().join("directory");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        let problem = problem("directory/*.csv").await;
        // As root, pyftpdlib may read everything.
        if problem != "no file matches /out/directory/*.csv" {
            assert_eq!(problem, format!("cannot read /out/directory: {denied}"));
        }
    }
}

#[tokio::test]
async fn file_that_is_not_finished_is_not_read() {
    for server in [explicit(), Ftpd::pyftpdlib()] {
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
}
