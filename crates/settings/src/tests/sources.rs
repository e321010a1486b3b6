//! The settings of sources: all forms in which they may be written.

use feed_options::AfterRead;

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
fn files_stay_are_deleted_or_are_moved() {
    for (written, expected) in [
        ("", AfterRead::Leave),
        (", after = 'leave'", AfterRead::Leave),
        (", after = 'delete'", AfterRead::Delete),
        (
            ", after = 'move:done 1'",
            AfterRead::Move("done 1".to_owned()),
        ),
    ] {
        let source = format!("source = {{ type = 'file', url = 'file:///a.csv' {written} }}");
        assert_eq!(of(&source, "").after, expected);
    }
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

#[test]
fn two_accounts_at_one_url_are_two_sources() {
    let source = |source: &str| of(&format!("source = {{ {source} }}"), "").stock_source();
    let key = format!("host_key = 'SHA256:{}'", "A".repeat(43));
    let http = |auth: &str| {
        source(&format!(
            "type = 'http', url = 'https://h/a', auth = {{ {auth} }}"
        ))
    };
    let sftp = |user: &str| {
        source(&format!(
            "type = 'sftp', url = 'sftp://h/a.csv', {key}, auth = {{ type = 'password', user = '{user}', password_env = 'P' }}"
        ))
    };
    let ftps = |user: &str| {
        source(&format!(
            "type = 'ftps', url = 'ftps://h/a.csv', auth = {{ type = 'password', user = '{user}', password_env = 'P' }}"
        ))
    };
    assert_ne!(sftp("a"), sftp("b"));
    assert_eq!(sftp("a"), sftp("a"));
    assert_ne!(ftps("a"), ftps("b"));
    let login = |user: &str, password: &str| {
        format!("type = 'login', url = 'https://h/t', user = '{user}', password_env = '{password}'")
    };
    let client = |id: &str, secret: &str| {
        format!(
            "type = 'oauth2_client_credentials', token_url = 'https://t/', client_id = '{id}', client_secret_env = '{secret}'"
        )
    };
    for (one, other) in [
        (
            "type = 'basic', user = 'a', password_env = 'P'".to_owned(),
            "type = 'basic', user = 'b', password_env = 'P'".to_owned(),
        ),
        (login("a", "P"), login("b", "P")),
        (client("a", "S"), client("b", "S")),
    ] {
        assert_ne!(http(&one), http(&other), "{one}");
        assert_eq!(http(&one), http(&one));
    }
    let unusual = "type = 'basic', user = 'a&b#c', password_env = 'P'";
    assert_eq!(http(unusual).1, "account=a%26b%23c#");
    // The place of a secret does not matter: two variables may have one key.
    for (one, other) in [
        (
            "type = 'bearer', token_env = 'A'",
            "type = 'bearer', token_env = 'B'",
        ),
        (
            "type = 'query', name = 'k', value_file = '/a'",
            "type = 'query', name = 'k', value_file = '/b'",
        ),
    ] {
        assert_eq!(http(one), http(other));
    }
    assert_eq!(http(&login("a", "P")), http(&login("a", "Q")));
    assert_eq!(http(&client("a", "S")), http(&client("a", "T")));
}
