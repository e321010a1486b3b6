//! Requests with a condition: when the vendor may state that its report has not changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::ports::{FeedError, Fetched, VendorFeed};
use domain::report::ReportKind;
use domain::validators::Validators;
use vendor_feeds::{
    HttpAuth, PageKind, PageOptions, ProductIdField, SecretString, Source, SourceFeed,
};

use super::redirects::host;
use super::scripted::{Request, Response, ScriptedServer};
use super::{feed_of, http_feed, http_options, options_of};

const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";
const MODIFIED: &str = "Mon, 23 Nov 2026 11:00:00 GMT";
const TAG: &str = "\"1\"";

/// A report with the tag [`TAG`] and the time [`MODIFIED`].
fn report() -> Response {
    let response = Response::ok(r#"[{"productId":"1","quantity":50}]"#);
    with_times(response).with("ETag", TAG)
}

fn with_times(response: Response) -> Response {
    response.with("Date", DATE).with("Last-Modified", MODIFIED)
}

fn is_conditional(request: &Request) -> bool {
    ["If-None-Match", "If-Modified-Since"]
        .iter()
        .any(|name| request.header(name).is_some())
}

/// The response of a server that supports conditions.
fn respond(request: &Request) -> Response {
    if is_conditional(request) {
        with_times(Response::new(304, "")).with("ETag", TAG)
    } else {
        report()
    }
}

async fn server() -> ScriptedServer {
    ScriptedServer::start(|_, request| respond(request)).await
}

/// Requests a report, and returns its validators.
async fn validators(feed: &SourceFeed) -> Option<Validators> {
    match feed.fetch_changed(None).await.unwrap() {
        Fetched::Report(_, validators) => validators,
        other @ Fetched::NotModified(_) => panic!("{other:?}"),
    }
}

/// Requests a report with a condition. Returns whether it has changed.
async fn has_changed(feed: &SourceFeed, known: &Validators) -> bool {
    let fetched = feed.fetch_changed(Some(known)).await.unwrap();
    matches!(fetched, Fetched::Report(..))
}

#[tokio::test]
async fn unchanged_report_is_not_transferred_again() {
    let server = server().await;
    let feed = http_feed(&server.url("/stock"), |_| {});
    assert!(feed.is_conditional());
    let known = validators(&feed).await.unwrap();
    let Fetched::NotModified(times) = feed.fetch_changed(Some(&known)).await.unwrap() else {
        panic!("a report");
    };
    assert!(times.date.is_some() && times.last_modified < times.date);
    let requests = server.requests();
    assert!(!is_conditional(&requests[0]));
    assert_eq!(requests[1].header("If-None-Match"), Some(TAG));
    assert_eq!(requests[1].header("If-Modified-Since"), Some(MODIFIED));
    // Another process, with the same settings.
    let again = http_feed(&server.url("/stock"), |_| {});
    assert!(!has_changed(&again, &known).await);
}

#[tokio::test]
async fn fetch_without_a_condition_is_never_unmodified() {
    let server = server().await;
    let feed = http_feed(&server.url("/stock"), |_| {});
    feed.fetch().await.unwrap();
    let unasked = ScriptedServer::start(|_, _| Response::new(304, "")).await;
    let feed = http_feed(&unasked.url("/stock"), |_| {});
    let expected = "the vendor responded with 304 Not Modified, but the request has no condition";
    let failure = FeedError::Unavailable(expected.to_owned());
    assert_eq!(feed.fetch().await.unwrap_err(), failure);
    assert_eq!(feed.fetch_changed(None).await.unwrap_err(), failure);
    let of_others = Validators {
        scope: "other".to_owned(),
        etag: Some(TAG.to_owned()),
        last_modified: None,
    };
    let fetched = feed.fetch_changed(Some(&of_others)).await;
    assert_eq!(fetched.unwrap_err(), failure);
    assert!(!unasked.requests().iter().any(is_conditional));
}

#[tokio::test]
async fn condition_is_not_sent_after_a_change_of_the_settings() {
    let server = server().await;
    let url = server.url("/stock");
    let known = validators(&http_feed(&url, |_| {})).await.unwrap();
    let basic = |user: &str, password: &str| HttpAuth::Basic {
        user: user.to_owned(),
        password: SecretString::from(password),
    };
    let changed = [
        feed_of({
            let mut options = http_options(&url, |_| {});
            options.lag = std::time::Duration::from_secs(1);
            options
        }),
        feed_of({
            let mut options = http_options(&url, |_| {});
            options.fields.product_id = ProductIdField {
                prefix: "acme-".to_owned(),
                ..options.fields.product_id
            };
            options
        }),
        http_feed(&url, |http| http.auth = Some(basic("a", "p"))),
        http_feed(&server.url("/other"), |_| {}),
    ];
    for feed in &changed {
        assert!(has_changed(feed, &known).await, "{feed:?}");
    }
    assert!(!server.requests().iter().any(is_conditional));
    // The password may change; the user is another account.
    let of_a = http_feed(&url, |http| http.auth = Some(basic("a", "p")));
    let known = validators(&of_a).await.unwrap();
    let renewed = http_feed(&url, |http| http.auth = Some(basic("a", "q")));
    assert!(!has_changed(&renewed, &known).await);
    let other = http_feed(&url, |http| http.auth = Some(basic("b", "p")));
    assert!(has_changed(&other, &known).await);
}

#[tokio::test]
async fn paged_delta_and_switched_off_feeds_have_no_conditions() {
    let server = server().await;
    let url = server.url("/stock");
    let mut delta = http_options(&url, |_| {});
    delta.kind = ReportKind::Delta;
    let feeds = [
        http_feed(&url, |http| http.conditional = false),
        feed_of(delta),
        http_feed(&url, |http| {
            http.pages = Some(PageOptions {
                kind: PageKind::LinkHeader,
                total: None,
            });
        }),
    ];
    let known = validators(&http_feed(&url, |_| {})).await.unwrap();
    for feed in &feeds {
        assert!(!feed.is_conditional());
        assert_eq!(validators(feed).await, None);
        assert!(has_changed(feed, &known).await);
    }
    let file = feed_of(options_of(Source::File { path: "/a".into() }));
    assert!(!file.is_conditional());
    assert!(!server.requests().iter().any(is_conditional));
}

#[tokio::test]
async fn unreliable_validators_are_not_used() {
    let ok = || Response::ok("[]").with("Date", DATE);
    for (response, etag, modified) in [
        (ok(), None, None),
        (ok().with("ETag", "W/\"1\""), None, None),
        (ok().with("ETag", "\"1-gzip\""), None, None),
        (ok().with("Last-Modified", DATE), None, None),
        // nginx makes the tag of the time.
        (
            ok().with("Last-Modified", DATE).with("ETag", TAG),
            None,
            None,
        ),
        (ok().with("ETag", TAG), Some(TAG), None),
        (
            ok().with("Last-Modified", MODIFIED).with("ETag", "W/\"1\""),
            None,
            Some(MODIFIED),
        ),
    ] {
        let shown = format!("{response:?}");
        let server = ScriptedServer::start(move |_, _| response.clone()).await;
        let found = validators(&http_feed(&server.url("/"), |_| {})).await;
        let found = found.map_or((None, None), |it| (it.etag, it.last_modified));
        let expected = (etag.map(str::to_owned), modified.map(str::to_owned));
        assert_eq!(found, expected, "{shown}");
    }
}

#[tokio::test]
async fn condition_is_sent_to_the_url_from_which_the_report_came() {
    // The file to which the redirect leads.
    let file = Arc::new(AtomicU32::new(1));
    let current = Arc::clone(&file);
    let server = ScriptedServer::start(move |_, request| {
        if request.target == "/latest" {
            let file = current.load(Ordering::SeqCst);
            return Response::redirect(302, &format!("/stock_{file}"));
        }
        // Apache sends 304 for each file that is not newer, whatever its name.
        respond(request)
    })
    .await;
    let feed = http_feed(&server.url("/latest"), |_| {});
    let known = validators(&feed).await.unwrap();
    assert!(!has_changed(&feed, &known).await);
    file.store(2, Ordering::SeqCst);
    assert!(has_changed(&feed, &known).await);
    let conditional = server.requests().into_iter().filter(is_conditional);
    let conditional: Vec<String> = conditional.map(|request| request.target).collect();
    assert_eq!(conditional, ["/stock_1"]);
}

#[tokio::test]
async fn condition_is_not_sent_to_another_host() {
    let other = server().await;
    let location = other.url("/stock");
    let redirect = ScriptedServer::start(move |_, _| Response::redirect(302, &location)).await;
    let feed = http_feed(&redirect.url("/stock"), |http| {
        http.redirect_hosts = vec![host(&other.authority())];
    });
    let known = validators(&feed).await.unwrap();
    assert!(!has_changed(&feed, &known).await);
    assert!(!redirect.requests().iter().any(is_conditional));
    assert_eq!(
        other
            .requests()
            .iter()
            .filter(|it| is_conditional(it))
            .count(),
        1
    );
}

#[tokio::test]
async fn report_is_requested_again_if_the_response_names_another_version() {
    for (name, value) in [("ETag", "\"2\""), ("Last-Modified", DATE)] {
        let server = ScriptedServer::start(move |_, request| {
            if is_conditional(request) {
                Response::new(304, "").with(name, value)
            } else {
                report()
            }
        })
        .await;
        let feed = http_feed(&server.url("/stock"), |_| {});
        let known = validators(&feed).await.unwrap();
        assert!(has_changed(&feed, &known).await, "{name}");
        let sent: Vec<bool> = server.requests().iter().map(is_conditional).collect();
        assert_eq!(sent, [false, true, false]);
    }
}

/// Without an `ETag`, a 304 that does not repeat `Last-Modified` may be about an older file.
#[tokio::test]
async fn time_is_no_condition_after_a_response_that_does_not_repeat_it() {
    let server = ScriptedServer::start(|number, request| {
        if is_conditional(request) {
            return Response::new(304, "");
        }
        let response = with_times(Response::ok("[]"));
        // Later it has a tag, too.
        if number < 6 {
            response
        } else {
            response.with("ETag", TAG)
        }
    })
    .await;
    let feed = http_feed(&server.url("/stock"), |_| {});
    let known = validators(&feed).await.unwrap();
    assert_eq!(known.etag, None);
    for _ in 0..3 {
        assert!(has_changed(&feed, &known).await);
    }
    let tagged = validators(&feed).await.unwrap();
    assert!(!has_changed(&feed, &tagged).await);
    let sent: Vec<bool> = server.requests().iter().map(is_conditional).collect();
    assert_eq!(sent, [false, true, false, false, false, false, true]);
}

#[tokio::test]
async fn condition_stays_in_a_retry_and_with_a_renewed_token() {
    let server = ScriptedServer::start(|number, request| match request.target.as_str() {
        "/token" => Response::ok(format!(r#"{{"access_token":"token-{number}"}}"#)),
        // The token expires, and the server fails once.
        _ if number == 3 => Response::new(401, ""),
        _ if number == 5 => Response::new(500, ""),
        _ => respond(request),
    })
    .await;
    let token_url = server.url("/token").parse().unwrap();
    let mut options = http_options(&server.url("/stock"), |http| {
        http.auth = Some(HttpAuth::ClientCredentials {
            token_url,
            client_id: "shop".to_owned(),
            client_secret: SecretString::from("secret"),
            scope: None,
        });
    });
    options.retries = 1;
    let feed = feed_of(options);
    let known = validators(&feed).await.unwrap();
    assert!(!has_changed(&feed, &known).await);
    let sent: Vec<(String, bool)> = server
        .requests()
        .iter()
        .map(|request| (request.target.clone(), is_conditional(request)))
        .collect();
    let expected = [
        ("/token", false),
        ("/stock", false),
        ("/stock", true),
        ("/token", false),
        ("/stock", true),
        ("/stock", true),
    ];
    assert_eq!(sent, expected.map(|(target, is)| (target.to_owned(), is)));
}

#[tokio::test]
async fn changed_report_has_its_own_validators() {
    let server = ScriptedServer::start(|number, _| report_of(&format!("\"{number}\""))).await;
    let feed = http_feed(&server.url("/stock"), |_| {});
    let first = validators(&feed).await.unwrap();
    let Fetched::Report(_, second) = feed.fetch_changed(Some(&first)).await.unwrap() else {
        panic!("unchanged");
    };
    assert_eq!(second.unwrap().etag.as_deref(), Some("\"2\""));
    assert_eq!(server.requests()[1].header("If-None-Match"), Some("\"1\""));
}

fn report_of(tag: &str) -> Response {
    Response::ok("[]").with("Date", DATE).with("ETag", tag)
}
