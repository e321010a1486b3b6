//! Redirects, and the hosts and addresses to which they may lead.

use vendor_feeds::{Host, RedirectHost};

use super::scripted::{Response, ScriptedServer};
use super::{http_feed, unavailable, units_of};

const REPORT: &str = r#"[{"productId":"1","quantity":50}]"#;

/// A host with a port, as the setting names it.
pub(crate) fn host(authority: &str) -> RedirectHost {
    let (host, port) = authority.rsplit_once(':').unwrap();
    RedirectHost {
        host: Host::parse(host).unwrap(),
        port: Some(port.parse().unwrap()),
    }
}

#[tokio::test]
async fn each_status_is_followed_on_the_same_host() {
    for status in [301, 302, 303, 307, 308] {
        let server = ScriptedServer::start(move |_, request| match request.target.as_str() {
            "/a/stock" => Response::redirect(status, "../b?x=1#y"),
            _ => Response::ok(REPORT),
        })
        .await;
        let feed = http_feed(&server.url("/a/stock"), |_| {});
        assert_eq!(units_of(&feed, "1").await, Some(50), "{status}");
        assert_eq!(server.targets(), ["/a/stock", "/b?x=1"]);
        assert!(
            server
                .requests()
                .iter()
                .all(|request| request.method == "GET")
        );
    }
}

#[tokio::test]
async fn five_redirects_are_followed() {
    let server = ScriptedServer::start(|number, _| match number {
        1..=5 => Response::redirect(302, "/next"),
        _ => Response::ok(REPORT),
    })
    .await;
    let feed = http_feed(&server.url("/stock"), |_| {});
    assert_eq!(units_of(&feed, "1").await, Some(50));

    let endless = ScriptedServer::start(|_, _| Response::redirect(302, "/stock?key=s")).await;
    let problem = unavailable(&http_feed(&endless.url("/stock"), |_| {})).await;
    let expected = format!(
        "more than 5 redirects, the last to the host {} (source.url should be where they lead)",
        endless.authority()
    );
    assert_eq!(problem, expected);
    assert_eq!(endless.requests().len(), 6);
}

#[tokio::test]
async fn other_host_is_requested_only_if_it_is_named() {
    let other = ScriptedServer::start(|_, _| Response::ok(REPORT)).await;
    let location = other.url("/stock?signature=s");
    let authority = other.authority();
    let redirect = |status| {
        let location = location.clone();
        ScriptedServer::start(move |_, _| Response::redirect(status, &location))
    };
    for status in [301, 302, 303, 307, 308] {
        let server = redirect(status).await;
        let problem = unavailable(&http_feed(&server.url("/"), |_| {})).await;
        let expected = format!(
            "the redirect leads to the host {authority}, which source.redirect_hosts does not name"
        );
        assert_eq!(problem, expected, "{status}");
        assert_eq!(other.requests().len(), 0);
    }
    let server = redirect(301).await;
    let feed = http_feed(&server.url("/"), |http| {
        http.redirect_hosts = vec![host(&authority)];
    });
    assert_eq!(units_of(&feed, "1").await, Some(50));
    assert_eq!(other.targets(), ["/stock?signature=s"]);
}

#[tokio::test]
async fn other_redirects_are_errors() {
    for (status, headers, detail) in [
        (302, None, "302 Found; such a redirect is not followed"),
        (
            300,
            Some("/b"),
            "300 Multiple Choices; such a redirect is not followed",
        ),
        (
            304,
            Some("/b"),
            "304 Not Modified, but the request has no condition",
        ),
        (
            305,
            Some("/b"),
            "305 Use Proxy; such a redirect is not followed",
        ),
    ] {
        let server = ScriptedServer::start(move |_, _| match headers {
            Some(location) => Response::redirect(status, location),
            None => Response::new(status, ""),
        })
        .await;
        let problem = unavailable(&http_feed(&server.url("/"), |_| {})).await;
        assert_eq!(problem, format!("the vendor responded with {detail}"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn private_addresses_are_connected_to_only_if_the_settings_name_them() {
    let other = ScriptedServer::start(|_, _| Response::ok(REPORT)).await;
    let location = other.url_of("localhost", "/stock");
    let authority = other.authority().replace("127.0.0.1", "localhost");
    let server = ScriptedServer::start(move |_, _| Response::redirect(302, &location)).await;
    let feed = |allowed: &[&str]| {
        http_feed(&server.url("/"), |http| {
            http.redirect_hosts = vec![host(&authority)];
            http.allow_addresses = allowed.iter().map(|net| net.parse().unwrap()).collect();
        })
    };
    let problem = unavailable(&feed(&["10.0.0.0/8"])).await;
    assert!(
        problem.starts_with("localhost has a loopback address, "),
        "{problem}"
    );
    assert!(
        problem.ends_with("(source.allow_addresses does not name it)"),
        "{problem}"
    );
    assert_eq!(other.requests().len(), 0);
    assert_eq!(units_of(&feed(&["127.0.0.0/8"]), "1").await, Some(50));

    // The name in the settings' own URL is named.
    let feed = http_feed(&other.url_of("localhost", "/stock"), |_| {});
    assert_eq!(units_of(&feed, "1").await, Some(50));

    let metadata = "http://169.254.169.254/latest/meta-data";
    let server = ScriptedServer::start(move |_, _| Response::redirect(302, metadata)).await;
    let feed = http_feed(&server.url("/"), |http| {
        http.redirect_hosts = vec![host("169.254.169.254:80")];
    });
    assert_eq!(
        unavailable(&feed).await,
        "the redirect is refused: 169.254.169.254 is a link-local address (source.allow_addresses does not name it)"
    );
}
