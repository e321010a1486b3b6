//! Credentials: who receives them, and how tokens are requested and renewed.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::ports::VendorFeed as _;
use vendor_feeds::{
    HeaderText, HttpAuth, HttpHeader, PageKind, PageOptions, PageSize, SecretString, Url,
};

use super::redirects::host;
use super::scripted::{Request, Response, ScriptedServer};
use super::{http_feed, unavailable, units_of};

const REPORT: &str = r#"[{"productId":"1","quantity":50}]"#;

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn basic() -> HttpAuth {
    HttpAuth::Basic {
        user: "shop".to_owned(),
        password: secret("pa:ss"),
    }
}

fn query() -> HttpAuth {
    HttpAuth::Query {
        name: "key".to_owned(),
        value: secret("s3cr&t"),
    }
}

fn client_credentials(token_url: &str) -> HttpAuth {
    HttpAuth::ClientCredentials {
        token_url: token_url.parse().unwrap(),
        client_id: "shop".to_owned(),
        client_secret: secret("s3cret"),
        scope: Some("stock read".to_owned()),
    }
}

/// A vendor that accepts one token, and issues `token-1`, `token-2` and so on, with these lifetimes.
async fn token_vendor(
    expires_in: &'static str,
    is_accepted: impl Fn(&str) -> bool + Send + Sync + 'static,
) -> ScriptedServer {
    let issued = AtomicU64::new(0);
    ScriptedServer::start(move |_, request| match request.target.as_str() {
        "/token" => {
            let number = 1 + issued.fetch_add(1, Ordering::SeqCst);
            let token = format!(
                r#"{{"access_token":"token-{number}","token_type":"Bearer","expires_in":{expires_in}}}"#
            );
            Response::ok(token)
        }
        _ => match request.header("Authorization") {
            Some(header) if is_accepted(header) => Response::ok(REPORT),
            _ => Response::new(401, "{}"),
        },
    })
    .await
}

/// The numbers of requests for tokens and for reports.
fn counts(server: &ScriptedServer) -> (usize, usize) {
    let targets = server.targets();
    let tokens = targets.iter().filter(|target| *target == "/token").count();
    (tokens, targets.len() - tokens)
}

fn token_feed(server: &ScriptedServer) -> vendor_feeds::SourceFeed {
    http_feed(&server.url("/stock"), |http| {
        http.auth = Some(client_credentials(&server.url("/token")));
    })
}

#[tokio::test]
async fn fixed_credentials_are_sent() {
    type Check = fn(&Request) -> Option<&str>;
    let authorization: Check = |request| request.header("Authorization");
    let cases: [(HttpAuth, Check, &str); 4] = [
        (basic(), authorization, "Basic c2hvcDpwYTpzcw=="),
        (
            HttpAuth::Bearer {
                token: secret("t0ken"),
            },
            authorization,
            "Bearer t0ken",
        ),
        (
            HttpAuth::Header {
                name: "X-Api-Key".to_owned(),
                value: secret("s3cret"),
            },
            |request| request.header("X-Api-Key"),
            "s3cret",
        ),
        (query(), |request| request.param("key"), "s3cr%26t"),
    ];
    for (auth, sent, expected) in cases {
        let server = ScriptedServer::start(|_, _| Response::ok(REPORT)).await;
        let feed = http_feed(&server.url("/stock?a=1"), |http| {
            http.auth = Some(auth.clone());
        });
        assert_eq!(units_of(&feed, "1").await, Some(50));
        let requests = server.requests();
        assert_eq!(sent(&requests[0]), Some(expected), "{auth:?}");
        assert_eq!(requests[0].param("a"), Some("1"));
    }
}

#[tokio::test]
async fn headers_are_sent_and_replace_those_of_the_program() {
    let server = ScriptedServer::start(|_, _| Response::ok(REPORT)).await;
    let header = |name: &str, value| HttpHeader {
        name: name.to_owned(),
        value,
    };
    let feed = http_feed(&server.url("/"), |http| {
        http.headers = vec![
            header("X-Shop", HeaderText::Plain("7".to_owned())),
            header("Accept", HeaderText::Plain("text/csv".to_owned())),
            header("X-Key", HeaderText::Secret(secret("s3cret"))),
        ];
    });
    assert_eq!(units_of(&feed, "1").await, Some(50));
    let request = &server.requests()[0];
    assert_eq!(request.header("X-Shop"), Some("7"));
    assert_eq!(request.header("Accept"), Some("text/csv"));
    assert_eq!(request.header("X-Key"), Some("s3cret"));
}

#[tokio::test]
async fn no_other_host_receives_a_credential() {
    let tokens = token_vendor("60", |_| false).await;
    let other = ScriptedServer::start(|_, _| Response::ok(REPORT)).await;
    for auth in [basic(), query(), client_credentials(&tokens.url("/token"))] {
        for by_link in [false, true] {
            // A vendor that repeats the credential in its link.
            let location = other.url("/stock?key=s3cr%26t&a=1");
            let link = format!("<{location}>; rel=\"next\"");
            let server = ScriptedServer::start(move |_, _| {
                if by_link {
                    Response::ok("[]").with("Link", &link)
                } else {
                    Response::redirect(302, &location)
                }
            })
            .await;
            let feed = http_feed(&server.url("/stock"), |http| {
                http.auth = Some(auth.clone());
                http.headers = vec![HttpHeader {
                    name: "X-Key".to_owned(),
                    value: HeaderText::Secret(secret("s3cret")),
                }];
                http.redirect_hosts = vec![host(&other.authority())];
                http.pages = by_link.then_some(PageOptions {
                    kind: PageKind::LinkHeader,
                    total: None,
                });
            });
            let fetched = feed.fetch().await;
            let first = &server.requests()[0];
            assert!(first.header("X-Key").is_some());
            assert!(first.header("Authorization").is_some() || first.param("key").is_some());
            let requests = other.requests();
            let request = requests.last().unwrap();
            assert!(fetched.is_ok(), "{fetched:?}");
            assert_eq!(request.header("Authorization"), None, "{auth:?}");
            assert_eq!(request.header("X-Key"), None, "{auth:?}");
            let is_query = matches!(auth, HttpAuth::Query { .. });
            let expected = if is_query {
                "/stock?a=1"
            } else {
                "/stock?key=s3cr%26t&a=1"
            };
            assert_eq!(request.target, expected);
        }
    }
}

#[tokio::test]
async fn missing_credentials_after_a_redirect_are_explained() {
    let other = ScriptedServer::start(|_, _| Response::new(401, "")).await;
    let location = other.url("/");
    let server = ScriptedServer::start(move |_, _| Response::redirect(302, &location)).await;
    let feed = http_feed(&server.url("/"), |http| {
        http.auth = Some(basic());
        http.redirect_hosts = vec![host(&other.authority())];
    });
    let authority = other.authority();
    assert_eq!(
        unavailable(&feed).await,
        format!(
            "the vendor responded with 401 Unauthorized; http://{authority} got no credentials: only the scheme, host and \
             port of source.url do"
        )
    );
}

#[tokio::test]
async fn token_is_requested_once_and_used_until_it_expires() {
    let server = token_vendor("3600", |header| header == "Bearer token-1").await;
    let feed = token_feed(&server);
    for _ in 0..3 {
        assert_eq!(units_of(&feed, "1").await, Some(50));
    }
    assert_eq!(counts(&server), (1, 3));
    let request = &server.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(
        request.body,
        "grant_type=client_credentials&scope=stock+read"
    );
    // shop:s3cret
    assert_eq!(
        request.header("Authorization"),
        Some("Basic c2hvcDpzM2NyZXQ=")
    );

    let server = token_vendor("0", |_| true).await;
    let feed = token_feed(&server);
    for _ in 0..2 {
        assert_eq!(units_of(&feed, "1").await, Some(50));
    }
    assert_eq!(counts(&server), (2, 2));
}

#[tokio::test]
async fn token_that_is_no_longer_valid_is_renewed_once() {
    let server = token_vendor("3600", |header| header == "Bearer token-2").await;
    assert_eq!(units_of(&token_feed(&server), "1").await, Some(50));
    assert_eq!(counts(&server), (2, 2));

    let server = token_vendor("3600", |_| false).await;
    let problem = unavailable(&token_feed(&server)).await;
    assert_eq!(problem, "the vendor responded with 401 Unauthorized");
    assert_eq!(counts(&server), (2, 2));
}

#[tokio::test]
async fn fixed_credentials_are_not_sent_again() {
    let server = ScriptedServer::start(|_, _| Response::new(401, "")).await;
    let feed = http_feed(&server.url("/"), |http| http.auth = Some(basic()));
    unavailable(&feed).await;
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn token_is_renewed_once_while_paging() {
    // The tokens that are valid for the pages 1 to 3; the requests for tokens and for pages.
    for (valid, expected, is_complete) in [
        (["token-1", "token-2", "token-2"], (2, 4), true),
        (["token-1", "token-2", "token-3"], (2, 4), false),
    ] {
        let issued = AtomicU64::new(0);
        let server = ScriptedServer::start(move |_, request| {
            let Some(page) = request.param("page") else {
                let number = 1 + issued.fetch_add(1, Ordering::SeqCst);
                return Response::ok(format!(r#"{{"access_token":"token-{number}"}}"#));
            };
            let index: usize = page.parse().unwrap();
            if request.header("Authorization") != Some(&format!("Bearer {}", valid[index - 1])) {
                return Response::new(401, "");
            }
            match page {
                "3" => Response::ok("[]"),
                page => Response::ok(format!(r#"[{{"productId":"{page}","quantity":50}}]"#)),
            }
        })
        .await;
        let feed = http_feed(&server.url("/stock"), |http| {
            http.auth = Some(client_credentials(&server.url("/token")));
            http.pages = Some(PageOptions {
                kind: PageKind::Number {
                    param: "page".to_owned(),
                    first: 1,
                    size: PageSize {
                        records: 1,
                        param: None,
                    },
                },
                total: None,
            });
        });
        if is_complete {
            assert_eq!(units_of(&feed, "2").await, Some(50));
        } else {
            let problem = unavailable(&feed).await;
            assert_eq!(
                problem,
                "page 3: the vendor responded with 401 Unauthorized"
            );
        }
        assert_eq!(counts(&server), expected);
    }
}

#[tokio::test]
async fn endpoint_that_accepts_credentials_in_the_body_only_is_supported() {
    let server = ScriptedServer::start(|_, request| match request.target.as_str() {
        "/token" if request.body.contains("client_secret=s3cret") => {
            Response::ok(r#"{"access_token":"t"}"#)
        }
        "/token" => Response::new(400, r#"{"error":"invalid_request"}"#),
        _ => Response::ok(REPORT),
    })
    .await;
    assert_eq!(units_of(&token_feed(&server), "1").await, Some(50));
    let requests = server.requests();
    assert_eq!(
        requests[1].body,
        "grant_type=client_credentials&scope=stock+read&client_id=shop&client_secret=s3cret"
    );
    assert_eq!(requests[1].header("Authorization"), None);
}

#[tokio::test]
async fn login_is_exchanged_for_a_token() {
    let server = ScriptedServer::start(|_, request| match request.target.as_str() {
        "/login" => Response::new(201, r#"{"data":{"jwt":"j1"}}"#),
        _ if request.header("Authorization") == Some("Bearer j1") => Response::ok(REPORT),
        _ => Response::new(403, ""),
    })
    .await;
    let url: Url = server.url("/login").parse().unwrap();
    let feed = http_feed(&server.url("/stock"), |http| {
        http.auth = Some(HttpAuth::Login {
            url,
            user: "shop".to_owned(),
            password: secret("pa\"ss"),
            user_field: "email".to_owned(),
            password_field: "password".to_owned(),
            token: "/data/jwt".to_owned(),
        });
    });
    assert_eq!(units_of(&feed, "1").await, Some(50));
    assert_eq!(units_of(&feed, "1").await, Some(50));
    assert_eq!(server.targets(), ["/login", "/stock", "/stock"]);
    let login = &server.requests()[0];
    assert_eq!(login.header("Content-Type"), Some("application/json"));
    assert_eq!(login.body, r#"{"email":"shop","password":"pa\"ss"}"#);
}

#[tokio::test]
async fn response_without_a_token_names_endpoint_and_setting() {
    let large = "x".repeat(100_000);
    for (response, expected) in [
        (Response::ok("{}"), "has no access_token"),
        (Response::ok("<html>"), "is not JSON"),
        (Response::ok(large), "is larger than 65536 bytes"),
        (
            Response::ok(r#"{"access_token":"a\nb"}"#),
            "has a token with a character that a header cannot have",
        ),
        (
            Response::new(401, r#"{"error":"invalid_client"}"#),
            "responded with 401 Unauthorized (invalid_client)",
        ),
        (
            Response::new(401, r#"{"error":"s3cret is wrong"}"#),
            "responded with 401 Unauthorized",
        ),
        (
            Response::redirect(307, "/token2"),
            "responded with 307 Temporary Redirect; such a redirect is not followed",
        ),
    ] {
        let server = ScriptedServer::start(move |_, _| response.clone()).await;
        let problem = unavailable(&token_feed(&server)).await;
        let endpoint = format!(
            "token endpoint {} (source.auth.token_url) ",
            server.authority()
        );
        assert!(problem.contains(&endpoint), "{problem}");
        assert!(problem.ends_with(expected), "{problem}");
        assert!(server.targets().iter().all(|target| target == "/token"));
    }
}

#[tokio::test]
async fn busy_endpoint_is_retried_and_its_retry_after_is_respected() {
    let server = ScriptedServer::start(|number, request| match request.target.as_str() {
        "/token" if number == 1 => Response::new(503, ""),
        "/token" => Response::ok(r#"{"access_token":"t"}"#),
        _ => Response::ok(REPORT),
    })
    .await;
    let mut options = super::http_options(&server.url("/stock"), |http| {
        http.auth = Some(client_credentials(&server.url("/token")));
    });
    options.retries = 1;
    assert_eq!(units_of(&super::feed_of(options), "1").await, Some(50));

    let busy = ScriptedServer::start(|_, _| Response::new(429, "").with("Retry-After", "60")).await;
    let failure = token_feed(&busy).fetch().await.unwrap_err();
    assert_eq!(failure.retry_after().unwrap().span().as_secs(), 60);
    assert_eq!(busy.requests().len(), 1);
}
