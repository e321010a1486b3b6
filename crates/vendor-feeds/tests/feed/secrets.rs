//! No credential is in an error, whatever the vendor sends.

use domain::ports::VendorFeed as _;
use vendor_feeds::{
    HeaderText, HttpAuth, HttpHeader, HttpOptions, PageKind, PageOptions, SecretString,
};

use super::scripted::{Response, ScriptedServer};
use super::{feed_of, http_feed, http_options};

const SECRET: &str = "s3cr3t+of/shop";
/// As it is written in a query.
const IN_QUERY: &str = "s3cr3t%2Bof%2Fshop";
/// shop:s3cr3t+of/shop in Base64.
const IN_BASIC: &str = "c2hvcDpzM2NyM3Qrb2Yvc2hvcA==";

fn auths() -> [HttpAuth; 4] {
    let secret = || SecretString::from(SECRET);
    [
        HttpAuth::Basic {
            user: "shop".to_owned(),
            password: secret(),
        },
        HttpAuth::Bearer { token: secret() },
        HttpAuth::Header {
            name: "X-Key".to_owned(),
            value: secret(),
        },
        HttpAuth::Query {
            name: "key".to_owned(),
            value: secret(),
        },
    ]
}

fn assert_no_secret(text: &str) {
    for secret in [SECRET, IN_QUERY, IN_BASIC] {
        assert!(!text.contains(secret), "{text}");
        // The beginning of a secret, where an excerpt ends.
        assert!(!text.contains(&secret[..6]), "{text}");
    }
}

/// Responses in which a vendor repeats a credential.
fn echoes(secret: &str) -> Vec<Response> {
    let padding = "x".repeat(40);
    vec![
        Response::ok(format!(r#"{{"error":"the key {secret} is unknown"}}"#)),
        Response::ok(format!(r#"{{"{padding}":"the credential {secret}"}}"#)),
        Response::ok(format!("<html>{secret}")),
        Response::ok(format!(r#"[{{"productId":"1","quantity":"{secret}"}}]"#)),
        Response::redirect(302, &format!("http://other.example/{secret}?key={secret}")),
        Response::redirect(302, &format!("{secret}://other.example/")),
        Response::ok("[]").with("Link", &format!("</2?key={secret}>; rel=\"next\"")),
        Response::ok("[]").with("Content-Range", secret),
        Response::ok("[]").with("Content-Encoding", secret),
    ]
}

/// Asserts that the error has no credential, whatever the vendor sends.
async fn assert_not_shown(forms: &[&str], change: impl Fn(&mut HttpOptions)) {
    for response in forms.iter().flat_map(|secret| echoes(secret)) {
        let shown = format!("{response:?}");
        let server = ScriptedServer::start(move |_, _| response.clone()).await;
        let feed = http_feed(&server.url("/stock"), &change);
        let fetched = feed.fetch().await;
        assert!(fetched.is_err(), "{shown}");
        let error = fetched.unwrap_err();
        assert_no_secret(&format!("{error} {error:?} {feed:?}"));
    }
}

#[tokio::test]
async fn credential_that_the_vendor_repeats_is_not_in_the_error() {
    for auth in auths() {
        let forms: &[&str] = match &auth {
            HttpAuth::Basic { .. } => &[SECRET, IN_BASIC],
            HttpAuth::Query { .. } => &[SECRET, IN_QUERY],
            _ => &[SECRET],
        };
        assert_not_shown(forms, |http| http.auth = Some(auth.clone())).await;
    }
    assert_not_shown(&[SECRET], |http| {
        http.headers = vec![HttpHeader {
            name: "X-Key".to_owned(),
            value: HeaderText::Secret(SECRET.into()),
        }];
    })
    .await;
}

#[tokio::test]
async fn cursor_with_a_credential_is_not_in_the_error() {
    let body = format!(r#"{{"items":[],"next":"{SECRET}"}}"#);
    let server = ScriptedServer::start(move |_, _| Response::ok(body.clone())).await;
    let mut options = http_options(&server.url("/"), |http| {
        http.auth = auths().into_iter().next();
        http.pages = Some(PageOptions {
            kind: PageKind::Cursor {
                next: "/next".to_owned(),
                param: "cursor".to_owned(),
            },
            total: None,
        });
    });
    super::pages::with_items(&mut options);
    let error = feed_of(options).fetch().await.unwrap_err().to_string();
    assert!(
        error.contains("is that of an earlier page: [secret]"),
        "{error}"
    );
    assert_no_secret(&error);
}

#[tokio::test]
async fn issued_token_is_not_in_the_error() {
    let server = ScriptedServer::start(|_, request| match request.target.as_str() {
        "/token" => Response::ok(r#"{"access_token":"issued-token-1"}"#),
        _ => Response::ok(r#"{"error":"issued-token-1 may not read"}"#),
    })
    .await;
    let token_url = server.url("/token").parse().unwrap();
    let feed = http_feed(&server.url("/stock"), |http| {
        http.auth = Some(HttpAuth::ClientCredentials {
            token_url,
            client_id: "shop".to_owned(),
            client_secret: SECRET.into(),
            scope: None,
        });
    });
    let error = feed.fetch().await.unwrap_err().to_string();
    assert!(error.contains("[secret] may not read"), "{error}");
}

#[test]
fn options_are_printed_without_credentials() {
    for auth in auths() {
        let options = http_options("http://127.0.0.1/", |http| http.auth = Some(auth));
        assert_no_secret(&format!("{options:?}"));
    }
}
