//! Settings of sources over HTTP: all forms in which they may be written, and the error line of each invalid one.

use feed_options::{PageKind, PageOptions, PageSize, PageTotal};

use super::refused::of_files;
use super::with_file;
use crate::*;

/// A vendor with these settings of its source, and a URL.
fn vendor(source: &str, others: &str) -> String {
    format!(
        "[[vendors]]\nid = 'v'\nsync_interval = '1m'\n{others}[vendors.source]\ntype = 'http'\nurl = 'https://h/x'\n{source}\n"
    )
}

fn http_of(source: &str, others: &str) -> HttpSettings {
    let file = vendor(source, others);
    let settings = with_file(&file).expect(&file);
    let SourceSettings::Http(http) = &settings.vendors[0].source else {
        panic!("{file}");
    };
    *http.clone()
}

fn http(source: &str) -> HttpSettings {
    http_of(source, "")
}

#[test]
fn url_alone_has_no_further_settings() {
    let http = http("");
    assert_eq!(http.url.as_str(), "https://h/x");
    assert!(http.headers.is_empty());
    assert_eq!((http.auth, http.pages, http.ca_file), (None, None, None));
    assert!(http.redirect_hosts.is_empty() && http.allow_addresses.is_empty());
    assert!(http.conditional);
}

#[test]
fn conditional_requests_can_be_turned_off() {
    assert!(!http("conditional = false").conditional);
    assert!(http("conditional = true").conditional);
}

#[test]
fn headers_are_texts_or_places_of_secrets() {
    let headers =
        http("headers = { X-Shop = '7', X-Key = { value_env = 'V' }, Accept = 'text/csv' }")
            .headers;
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Accept", "X-Key", "X-Shop"]);
    assert_eq!(headers[2].1, HeaderSetting::Plain("7".to_owned()));
    let HeaderSetting::Secret(secret) = &headers[1].1 else {
        panic!("{headers:?}");
    };
    assert_eq!(
        secret.read().unwrap_err(),
        "source.headers.X-Key.value_env names the variable V, which has no value in the environment or in .env"
    );
}

#[test]
fn each_auth_is_read() {
    let auth = |auth: &str| http(&format!("auth = {{ {auth} }}")).auth.unwrap();
    let missing = |source: &SecretSource| source.read().unwrap_err();
    let unset = |setting: &str| {
        format!(
            "source.auth.{setting} names the variable V, which has no value in the environment or in .env"
        )
    };
    match auth("type = 'basic', user = 'u', password_env = 'V'") {
        HttpAuthSettings::Basic { user, password } => {
            assert_eq!(
                (user.as_str(), missing(&password)),
                ("u", unset("password_env"))
            );
        }
        other => panic!("{other:?}"),
    }
    match auth("type = 'bearer', token_file = '/nowhere/t'") {
        HttpAuthSettings::Bearer { token } => assert_eq!(
            missing(&token),
            "source.auth.token_file is /nowhere/t, which cannot be read: No such file or directory (os error 2)"
        ),
        other => panic!("{other:?}"),
    }
    for kind in ["header", "query"] {
        match auth(&format!("type = '{kind}', name = 'X-Key', value_env = 'V'")) {
            HttpAuthSettings::Header { name, value } | HttpAuthSettings::Query { name, value } => {
                assert_eq!(
                    (name.as_str(), missing(&value)),
                    ("X-Key", unset("value_env"))
                );
            }
            other => panic!("{other:?}"),
        }
    }
    match auth(
        "type = 'oauth2_client_credentials', token_url = 'https://t/token', client_id = 'c', client_secret_env = 'V', scope = 'a b'",
    ) {
        HttpAuthSettings::ClientCredentials {
            token_url,
            client_id,
            client_secret,
            scope,
        } => {
            assert_eq!(
                (token_url.as_str(), client_id.as_str()),
                ("https://t/token", "c")
            );
            assert_eq!(missing(&client_secret), unset("client_secret_env"));
            assert_eq!(scope.as_deref(), Some("a b"));
        }
        other => panic!("{other:?}"),
    }
    for (more, expected) in [
        ("", ["username", "password", "/token"]),
        (
            ", user_field = 'email', password_field = 'pw', token = ''",
            ["email", "pw", ""],
        ),
    ] {
        let login = format!(
            "type = 'login', url = 'https://h/login', user = 'u', password_env = 'V'{more}"
        );
        match auth(&login) {
            HttpAuthSettings::Login {
                url,
                user_field,
                password_field,
                token,
                ..
            } => {
                assert_eq!(url.as_str(), "https://h/login");
                assert_eq!(
                    [user_field.as_str(), password_field.as_str(), token.as_str()],
                    expected
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_type_of_pages_is_read() {
    let param = |text: &str| text.to_owned();
    let size = |records, param: Option<&str>| PageSize {
        records,
        param: param.map(ToOwned::to_owned),
    };
    let next = || "/next".to_owned();
    for (written, kind) in [
        ("type = 'link_header'", PageKind::LinkHeader),
        (
            "type = 'link_body', next = '/next'",
            PageKind::LinkBody { next: next() },
        ),
        (
            "type = 'cursor', next = '/next'",
            PageKind::Cursor {
                next: next(),
                param: param("cursor"),
            },
        ),
        (
            "type = 'cursor', next = '/next', param = 'after'",
            PageKind::Cursor {
                next: next(),
                param: param("after"),
            },
        ),
        (
            "type = 'page', size = 100",
            PageKind::Number {
                param: param("page"),
                first: 1,
                size: size(100, None),
            },
        ),
        (
            "type = 'page', param = 'p', first = 0, size = '5', size_param = 'per_page'",
            PageKind::Number {
                param: param("p"),
                first: 0,
                size: size(5, Some("per_page")),
            },
        ),
        (
            "type = 'offset', size = 5, size_param = 'limit'",
            PageKind::Offset {
                param: param("offset"),
                is_combined: false,
                size: size(5, Some("limit")),
            },
        ),
        (
            "type = 'offset', param = 'limit', size = 5, combined = true",
            PageKind::Offset {
                param: param("limit"),
                is_combined: true,
                size: size(5, None),
            },
        ),
    ] {
        for (more, total) in [
            ("", None),
            (
                ", total = '/total'",
                Some(PageTotal::Field("/total".to_owned())),
            ),
            (
                ", total_header = 'X-WP-Total'",
                Some(PageTotal::Header("X-WP-Total".to_owned())),
            ),
        ] {
            let pages = http(&format!("pages = {{ {written}{more} }}")).pages;
            assert_eq!(
                pages,
                Some(PageOptions {
                    kind: kind.clone(),
                    total
                }),
                "{written}"
            );
        }
    }
    let csv = "format = { type = 'csv' }\nfields = { product_id = 1, quantity = 2 }\n";
    assert!(
        http_of("pages = { type = 'page', size = 9 }", csv)
            .pages
            .is_some()
    );
}

#[test]
fn hosts_networks_and_file_are_read() {
    let http = http(
        "redirect_hosts = ['CDN.example', 'cdn.example:8443', '10.1.2.3', '[fd00::1]:81', '[fd00::1]']\n\
         allow_addresses = ['10.0.0.0/8', 'fd00::/8', '192.168.1.7/32']\nca_file = '/etc/ca.pem'",
    );
    let hosts: Vec<(String, Option<u16>)> = http
        .redirect_hosts
        .iter()
        .map(|redirect| (redirect.host.to_string(), redirect.port))
        .collect();
    let expected = [
        ("cdn.example", None),
        ("cdn.example", Some(8443)),
        ("10.1.2.3", None),
        ("[fd00::1]", Some(81)),
        ("[fd00::1]", None),
    ];
    assert_eq!(hosts, expected.map(|(host, port)| (host.to_owned(), port)));
    let networks: Vec<String> = http
        .allow_addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(networks, ["10.0.0.0/8", "fd00::/8", "192.168.1.7/32"]);
    assert_eq!(http.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
}

#[test]
fn invalid_requests_are_refused() {
    let sources = [
        "headers = { Authorization = 'Bearer hunter2' }",
        "headers = { COOKIE = 'a=hunter2' }",
        "headers = { Host = 'h' }",
        "headers = { Content-Length = '1' }",
        "headers = { Transfer-Encoding = 'chunked' }",
        "headers = { If-None-Match = '*' }",
        "headers = { X-Api-Key = 'hunter2' }",
        "headers = { X-Access-Token = 'hunter2' }",
        "headers = { 'X Shop' = '1' }",
        "headers = { X-Shop = 1 }",
        "headers = { X-Shop = \"a\\nb\" }",
        "headers = { X-Shop = 'ä' }",
        "headers = { X-Shop = '1', x-shop = '2' }",
        "headers = { X-Key = {} }",
        "headers = { X-Key = { value_env = 'A', value_file = '/a' } }",
        "headers = { X-Key = { value_env = 'a-hunter2' } }",
        "headers = { X-Key = { value = 'hunter2' } }",
        "headers = { X-Key = { value_env = 'A' } }\nauth = { type = 'header', name = 'x-key', value_env = 'B' }",
        "headers = ['X-Shop']",
        "redirect_hosts = ['https://cdn.example']",
        "redirect_hosts = ['*.example']",
        "redirect_hosts = ['cdn.example:']",
        "redirect_hosts = ['cdn.example:0']",
        "redirect_hosts = ['cdn.example:+80']",
        "redirect_hosts = ['fd00::1']",
        "allow_addresses = ['10.0.0.1']",
        "allow_addresses = ['10.0.0.1/8']",
        "allow_addresses = ['10.0.0.0/33']",
        "allow_addresses = ['private']",
        "ca_file = ''",
    ];
    let file = "[[vendors]]\nid = 'v'\nsync_interval = '1m'\n[vendors.source]\ntype = 'file'\nurl = 'file:///a'\nauth = { type = 'basic' }\n";
    let sources = sources.map(|source| vendor(source, ""));
    insta::assert_snapshot!(of_files(sources.into_iter().chain([file.to_owned()])));
}

#[test]
fn invalid_auths_are_refused() {
    let auths = [
        "",
        "user = 'u'",
        "type = 'digest'",
        "type = 'basic', user = 'u'",
        "type = 'basic', password_env = 'A'",
        "type = 'basic', user = 'u', password = 'hunter2'",
        "type = 'basic', user = 'u', password_env = 'A', password_file = '/a'",
        "type = 'basic', user = 'u', password_env = 'hunter2!'",
        "type = 'basic', user = 'u', password_env = ''",
        "type = 'basic', user = 'u', password_env = 'A', token_env = 'B'",
        "type = 'bearer'",
        "type = 'bearer', token = 'hunter2'",
        "type = 'bearer', token_env = '1A'",
        "type = 'header', value_env = 'A'",
        "type = 'header', name = 'X Key', value_env = 'A'",
        "type = 'header', name = 'X-Key', value = 'hunter2'",
        "type = 'query', name = 'key', value = 7",
        "type = 'query', name = 'key'",
        "type = 'oauth2_client_credentials', client_id = 'c', client_secret_env = 'A'",
        "type = 'oauth2_client_credentials', token_url = 'https://t/', client_secret_env = 'A'",
        "type = 'oauth2_client_credentials', token_url = 'https://t/', client_id = 'c', client_secret = 'hunter2'",
        "type = 'oauth2_client_credentials', token_url = 'https://u:hunter2@t/', client_id = 'c', client_secret_env = 'A'",
        "type = 'oauth2_client_credentials', token_url = 'ftp://t/', client_id = 'c', client_secret_env = 'A'",
        "type = 'login', url = 'https://h/', user = 'u', password_env = 'A', token = 'hunter2'",
        "type = 'login', user = 'u', password_env = 'A'",
        "type = 'login', url = 'https://h/', user = 'u', password_env = 'A', scope = 's'",
        "type = 'bearer', token_env = 'A', realm = 'r'",
    ];
    let auths = auths.map(|auth| vendor(&format!("auth = {{ {auth} }}"), ""));
    insta::assert_snapshot!(of_files(auths));
}

#[test]
fn invalid_pages_are_refused() {
    let pages = [
        "",
        "type = 'scroll'",
        "type = 'link_header', next = '/next'",
        "type = 'link_header', size = 10",
        "type = 'link_body'",
        "type = 'link_body', next = 'next'",
        "type = 'link_body', next = '/next', param = 'p'",
        "type = 'cursor', param = 'p'",
        "type = 'cursor', next = '/next', first = 1",
        "type = 'page'",
        "type = 'page', size = 0",
        "type = 'page', size = 10, first = -1",
        "type = 'page', size = 10, param = 'p', size_param = 'p'",
        "type = 'offset', size = 10, first = 0",
        "type = 'offset', size = 10, total = 'total'",
        "type = 'offset', size = 10, last = '/last'",
        "type = 'page', size_param = 'page', size = 10",
        "type = 'page', size = 10, combined = true",
        "type = 'offset', size = 10, size_param = 'limit', combined = true",
        "type = 'offset', size = 10, total = '/total', total_header = 'X-Total'",
        "type = 'link_header', total_header = 'X Total'",
    ];
    let json = pages.map(|pages| vendor(&format!("pages = {{ {pages} }}"), ""));
    let with_key = [
        "type = 'cursor', next = '/next', param = 'key'",
        "type = 'page', param = 'key', size = 10",
        "type = 'offset', size = 10, size_param = 'key'",
    ];
    let auth = "auth = { type = 'query', name = 'key', value_env = 'A' }";
    let with_key = with_key.map(|pages| vendor(&format!("{auth}\npages = {{ {pages} }}"), ""));
    let others = [
        ("csv", "type = 'cursor', next = '/next'"),
        ("ndjson", "type = 'page', size = 10, total = '/total'"),
        ("xml', items = '/a/b", "type = 'link_body', next = 'next'"),
    ];
    let others = others.map(|(format, pages)| {
        let format = format!(
            "format = {{ type = '{format}' }}\nfields = {{ product_id = 'a', quantity = 'b' }}\n"
        );
        vendor(&format!("pages = {{ {pages} }}"), &format)
    });
    insta::assert_snapshot!(of_files(json.into_iter().chain(with_key).chain(others)));
}
