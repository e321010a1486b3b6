//! What browsers are told: which pages may call (CORS), and how little may be done with an answer.

use api_keys::{ApiKey, KeyHash, Role};

use crate::fake_store::Failure;
use crate::fixture::TestServer;

const ORIGIN: &str = "https://shop.example";

fn server() -> TestServer {
    TestServer::start_with(|options| {
        options.cors_origins = vec![ORIGIN.to_owned(), "http://localhost:8080".to_owned()];
        options.keys = vec![ApiKey {
            name: "shop".to_owned(),
            hash: KeyHash::of(b"oa_shop"),
            roles: vec![Role::Customer],
        }];
    })
}

fn preflight(origin: &str, method: &str, headers: &str) -> String {
    format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: {headers}\r\n"
    )
}

#[tokio::test]
async fn a_page_is_told_that_it_may_send_a_key_before_it_sends_one() {
    let server = server();
    for (path, method) in [
        ("/api/v1/orders", "POST"),
        ("/api/v1/orders/1", "PATCH"),
        ("/api/v1/stock", "GET"),
        ("/api/v1/nowhere", "GET"),
    ] {
        let wanted = "authorization,content-type,idempotency-key,if-match,last-event-id,prefer";
        let head = preflight(ORIGIN, method, wanted);
        let reply = server.send("OPTIONS", path, &head, b"").await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(reply.header("access-control-allow-credentials"), None);
        assert_eq!(reply.header("access-control-max-age"), Some("3600"));
        let allowed = reply.header("access-control-allow-methods").unwrap();
        assert!(allowed.contains(method), "{allowed}");
        let allowed = reply
            .header("access-control-allow-headers")
            .unwrap()
            .to_lowercase();
        for header in wanted.split(',') {
            assert!(allowed.contains(header), "{allowed}");
        }
        assert!(reply.header("vary").unwrap().contains("Origin"));
    }
}

#[tokio::test]
async fn a_page_may_read_every_answer_and_the_headers_that_it_needs() {
    let server = server();
    let origin = format!("Origin: {ORIGIN}\r\n");
    let key = format!("{origin}Authorization: Bearer oa_shop\r\n");
    for (path, head, status) in [
        ("/api/v1/orders", &key, 200),
        ("/api/v1/orders/1", &key, 404),
        ("/api/v1/orders", &origin, 401),
    ] {
        let reply = server.send("GET", path, head, b"").await;
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.header("access-control-allow-origin"),
            Some(ORIGIN),
            "{path}"
        );
        let exposed = reply
            .header("access-control-expose-headers")
            .unwrap()
            .to_lowercase();
        for header in [
            "location",
            "etag",
            "link",
            "retry-after",
            "idempotent-replayed",
            "preference-applied",
            "ratelimit",
            "ratelimit-policy",
            "www-authenticate",
            "x-request-id",
        ] {
            assert!(exposed.split(", ").any(|name| name == header), "{exposed}");
        }
        assert!(reply.header("vary").unwrap().contains("Origin"));
    }
    server.store.fail(Some(Failure::Panic));
    let reply = server.send("GET", "/api/v1/orders", &key, b"").await;
    reply.problem(503, "unavailable");
    assert_eq!(reply.header("access-control-allow-origin"), Some(ORIGIN));
}

#[tokio::test]
async fn other_pages_are_told_nothing() {
    let server = server();
    for other in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "null",
    ] {
        let head = preflight(other, "POST", "authorization");
        let reply = server.send("OPTIONS", "/api/v1/orders", &head, b"").await;
        reply.problem(400, "malformed-request");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
        let head = format!("Origin: {other}\r\nAuthorization: Bearer oa_shop\r\n");
        let reply = server.send("GET", "/api/v1/orders", &head, b"").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("access-control-allow-origin"), None, "{other}");
    }
    let odd = preflight(ORIGIN, "POST", "x-odd");
    let reply = server.send("OPTIONS", "/api/v1/orders", &odd, b"").await;
    reply.problem(400, "malformed-request");
    let odd = preflight(ORIGIN, "DELETE", "authorization");
    let reply = server.send("OPTIONS", "/api/v1/orders", &odd, b"").await;
    reply.problem(400, "malformed-request");
}

#[tokio::test]
async fn without_the_setting_no_page_of_others_may_call() {
    let server = TestServer::start();
    let head = preflight(ORIGIN, "POST", "authorization");
    let reply = server.send("OPTIONS", "/api/v1/orders", &head, b"").await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (204, None)
    );
    let head = format!("Origin: {ORIGIN}\r\n");
    let reply = server.send("GET", "/api/v1/orders", &head, b"").await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, None)
    );
}

#[tokio::test]
async fn every_answer_says_how_little_may_be_done_with_it() {
    let server = TestServer::start();
    let assert_strict = |reply: &crate::client::Reply, what: &str| {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{what}");
        }
        let policy = reply.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        // It would be false where a proxy speaks TLS for other services too, and useless without TLS.
        assert_eq!(reply.header("strict-transport-security"), None, "{what}");
    };
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/docs"),
        ("GET", "/docs/start.js"),
        ("GET", "/docs/nothing.js"),
        ("GET", "/openapi.json"),
        ("GET", "/problems/not-found"),
        ("GET", "/nowhere"),
        ("GET", "/api/v1/orders"),
        ("HEAD", "/api/v1/stock"),
        ("OPTIONS", "/api/v1/stock"),
        ("DELETE", "/api/v1/stock"),
        ("POST", "/api/v1/orders"),
        ("GET", "/api/v1/orders/x"),
    ] {
        let reply = server.send(method, path, "", b"").await;
        assert_strict(&reply, path);
        assert!(reply.header("cache-control").is_some(), "{path}");
    }
    server.store.fail(Some(Failure::Panic));
    let reply = server.get("/api/v1/orders").await;
    reply.problem(503, "unavailable");
    assert_strict(&reply, "a panic");
}

/// The page may load what this service has, and nothing that stands in it itself takes effect.
#[tokio::test]
async fn the_docs_load_files_of_their_own_and_nothing_else() {
    let server = TestServer::start();
    let reply = server.get("/docs").await;
    let page = String::from_utf8(reply.body.clone()).unwrap();
    let policy = reply.header("content-security-policy").unwrap();
    for allowed in [
        "style-src 'self'",
        "script-src 'self'",
        "connect-src 'self'",
    ] {
        assert!(policy.contains(allowed), "{policy}");
    }
    for forbidden in [
        " style=",
        "<script>",
        "<style>",
        " onclick=",
        " onload=",
        "http",
    ] {
        assert!(!page.contains(forbidden), "{forbidden} would not work");
    }
    let loaded = |element: &str, attribute: &str| {
        let start = format!("<{element} ");
        let rests = page.split(&start).skip(1);
        let of = rests.map(|rest| rest.split_once(&format!("{attribute}=\"")).unwrap().1);
        of.map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect::<Vec<String>>()
    };
    let styles = loaded("link", "href");
    let scripts = loaded("script", "src");
    for (files, media_type) in [
        (styles, "text/css; charset=utf-8"),
        (scripts, "text/javascript; charset=utf-8"),
    ] {
        assert!(!files.is_empty());
        for file in files {
            let reply = server.get(&file).await;
            assert_eq!(reply.status, 200, "{file}");
            // With `nosniff` a browser takes no other.
            assert_eq!(reply.header("content-type"), Some(media_type));
            assert_eq!(reply.header("cache-control"), Some("max-age=3600"));
        }
    }
}
