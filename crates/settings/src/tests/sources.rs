//! The settings of sources: all forms in which they may be written.

use super::vendors::of;
use crate::*;

#[test]
fn source_is_a_url_or_a_file() {
    let http = of("source = { type = 'http', url = 'HTTP://H:80/x' }", "");
    assert_eq!(http.source, of("url = 'http://h/x'", "").source);
    let file = of(
        "source = { type = 'file', url = 'file:///srv/a%20b/stock_*.csv' }",
        "",
    );
    let SourceSettings::File { url, path } = file.source else {
        panic!("{:?}", file.source);
    };
    assert_eq!(url.as_str(), "file:///srv/a%20b/stock_*.csv");
    assert_eq!(path, Path::new("/srv/a b/stock_*.csv"));
}

#[test]
fn source_is_a_file_on_a_server() {
    let hash = "A".repeat(43);
    let password = "auth = { type = 'password', user = 'u', password_env = 'P' }";
    let sftp = of(
        &format!(
            "source = {{ type = 'sftp', url = 'sftp://h/out/a%20b_*.csv', host_key = 'SHA256:{hash}=', {password} }}"
        ),
        "",
    );
    let SourceSettings::Sftp(sftp) = sftp.source else {
        panic!("{:?}", sftp.source);
    };
    assert_eq!((sftp.host.as_str(), sftp.port), ("h", 22));
    assert_eq!(sftp.path, "/out/a b_*.csv");
    assert_eq!(sftp.host_key, format!("SHA256:{hash}"));
    assert!(matches!(sftp.login, SftpLoginSettings::Password(_)));
    for (url, tls, port, path) in [
        ("ftps://h/a.csv", "explicit", 21, "/a.csv"),
        ("ftps://h/~/out/a.csv", "implicit", 990, "out/a.csv"),
        ("ftps://[::1]:2121/~/a.csv", "implicit", 2121, "a.csv"),
    ] {
        let ftps = of(
            &format!("source = {{ type = 'ftps', url = '{url}', tls = '{tls}', {password} }}"),
            "",
        );
        let SourceSettings::Ftps(ftps) = ftps.source else {
            panic!("{:?}", ftps.source);
        };
        assert_eq!((ftps.port, ftps.path.as_str()), (port, path));
        assert_eq!(ftps.host, if port == 2121 { "::1" } else { "h" });
    }
}

#[test]
fn buckets_of_two_services_are_two_sources() {
    let bucket = |settings: &str| {
        of(
            &format!("source = {{ type = 'bucket', url = 's3://b/out/a_*.csv' {settings} }}"),
            "",
        )
    };
    let amazon = bucket("");
    let SourceSettings::Bucket(settings) = &amazon.source else {
        panic!("{:?}", amazon.source);
    };
    assert_eq!(
        (settings.bucket.as_str(), settings.key.as_str()),
        ("b", "out/a_*.csv")
    );
    assert_eq!(settings.region, "us-east-1");
    let other = bucket(", endpoint = 'https://s3.example:9000'");
    assert_ne!(amazon.stock_source(), other.stock_source());
    let key = "auth = { type = 'access_key', id = 'i', secret_file = '/s' }";
    assert_eq!(
        amazon.stock_source(),
        bucket(&format!(", {key}")).stock_source()
    );
}
