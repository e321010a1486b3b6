//! Redirects and links that are followed, and that are refused.

use super::*;

/// Targets with the addresses in 10.0.0.0/31 allowed.
fn targets(first: &str, hosts: &[&str]) -> Targets {
    let first: Url = first.parse().unwrap();
    let hosts: Vec<RedirectHost> = hosts
        .iter()
        .map(|text| {
            let (host, port) = match text.rsplit_once(':') {
                Some((host, port)) => (host, Some(port.parse().unwrap())),
                None => (*text, None),
            };
            RedirectHost {
                host: Host::parse(host).unwrap(),
                port,
            }
        })
        .collect();
    let named = [first.host().unwrap().to_owned()];
    let allowed = ["10.0.0.0/31".parse().unwrap()];
    let addresses = Arc::new(AddressRules::new(&allowed, &named));
    Targets::new(first, hosts, addresses, Some("key".to_owned()))
}

fn follow(first: &str, hosts: &[&str], reference: &str) -> Result<String, String> {
    let targets = targets(first, hosts);
    let url = targets.follow(targets.first(), reference, Step::Redirect);
    url.map(String::from)
}

#[test]
fn named_hosts_are_followed() {
    for (first, hosts, reference, expected) in [
        ("http://h/a/b?c", &[][..], "d", "http://h/a/d"),
        ("http://h/a/b?c", &[], "?page=2", "http://h/a/b?page=2"),
        ("http://h/a", &[], "//H:80/x#y", "http://h/x"),
        ("http://h/a", &[], "https://h/x", "https://h/x"),
        ("http://h:8080/a", &[], "https://h/x", "https://h/x"),
        ("http://h:8080/a", &[], "/x", "http://h:8080/x"),
        (
            "https://h/",
            &["cdn.example"],
            "https://CDN.example/x",
            "https://cdn.example/x",
        ),
        (
            "https://h/",
            &["c:8443"],
            "https://c:8443/x",
            "https://c:8443/x",
        ),
        ("https://h/", &["c:443"], "https://c/x", "https://c/x"),
        (
            "http://h/",
            &["10.0.0.1"],
            "http://0xa000001/x",
            "http://10.0.0.1/x",
        ),
        // A credential in a link is removed; it is added again for the first host only.
        (
            "http://h/",
            &["c"],
            "http://c/x?a=1&key=s&k%65y=t&b",
            "http://c/x?a=1&b",
        ),
        ("http://h/", &[], "/x?key=s", "http://h/x"),
    ] {
        assert_eq!(
            follow(first, hosts, reference).as_deref(),
            Ok(expected),
            "{reference}"
        );
    }
}

#[test]
fn other_targets_are_refused_with_host_and_setting() {
    let not_named = |host: &str| {
        format!("the redirect leads to the host {host}, which source.redirect_hosts does not name")
    };
    for (first, hosts, reference, expected) in [
        ("http://h/", &[][..], "http://other/x?token=s", not_named("other")),
        ("http://h/", &[], "http://h:81/x", not_named("h:81")),
        ("http://h/", &[], "http://h.example/x", not_named("h.example")),
        ("http://h/", &["c:81"], "http://c/x", not_named("c")),
        ("http://h/", &["c"], "http://c:81/x", not_named("c:81")),
        ("http://h/", &["10.0.0.1"], "http://10.0.0.2/", not_named("10.0.0.2")),
        ("http://127.0.0.1:1/", &[], "http://169.254.169.254/x", not_named("169.254.169.254")),
        (
            "http://127.0.0.1:1/",
            &["169.254.169.254"],
            "http://0xa9fea9fe/x",
            "the redirect is refused: 169.254.169.254 is a link-local address (source.allow_addresses does not name it)".to_owned(),
        ),
        (
            "https://h/",
            &["c"],
            "http://c/x",
            "the redirect to the host c leads from https to http, which source.redirect_hosts cannot allow".to_owned(),
        ),
        (
            "http://h/",
            &[],
            "http://u:s@h/x",
            "the redirect to the host h contains a user or a password, which only source.auth may state".to_owned(),
        ),
        (
            "http://h/",
            &[],
            "file:///etc/passwd",
            "the redirect of the host h has a scheme other than http and https, which source.redirect_hosts cannot allow".to_owned(),
        ),
        ("http://h/", &[], "http://[", "the redirect of the host h is not a URL".to_owned()),
    ] {
        assert_eq!(follow(first, hosts, reference), Err(expected), "{reference}");
    }
    let long = format!("/{}", "x".repeat(MAX_LINK_BYTES));
    let problem = follow("http://h/", &[], &long).unwrap_err();
    assert_eq!(problem, "the redirect is longer than 8192 bytes");
}

#[test]
fn only_scheme_host_and_port_of_the_url_are_the_first_origin() {
    let targets = targets("https://h:443/a", &[]);
    for (url, expected) in [
        ("https://h/b?c", true),
        ("https://H:443/", true),
        ("http://h/", false),
        ("http://h:443/", false),
        ("https://h:444/", false),
        ("https://www.h/", false),
    ] {
        assert_eq!(
            targets.is_first_origin(&url.parse().unwrap()),
            expected,
            "{url}"
        );
    }
}

#[test]
fn parameter_is_replaced_and_the_others_stay_as_they_are_written() {
    for (url, expected) in [
        ("http://h/", "http://h/?page=2"),
        ("http://h/?page=1", "http://h/?page=2"),
        (
            "http://h/?a=%20b+c&p%61ge=1&d",
            "http://h/?a=%20b+c&d&page=2",
        ),
        ("http://h/?pages=1&page", "http://h/?pages=1&page=2"),
    ] {
        let mut url: Url = url.parse().unwrap();
        set_param(&mut url, "page", "2");
        assert_eq!(url.as_str(), expected);
    }
    let mut url: Url = "http://h/".parse().unwrap();
    set_param(&mut url, "after[id]", "a b&c=d");
    assert_eq!(url.as_str(), "http://h/?after%5Bid%5D=a+b%26c%3Dd");
}
