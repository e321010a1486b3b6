//! CORS and the security headers of responses.

use api_keys::{ApiKey, Grant, KeyHash, Role};

use crate::fake_store::Failure;
use crate::fixture::TestServer;

const ORIGIN: &str = "https://shop.example";

fn server() -> TestServer {
    TestServer::start_with(|options| {
        options.cors_origins = vec![ORIGIN.to_owned(), "http://localhost:8080".to_owned()];
        options.keys = vec![ApiKey {
            name: "shop".to_owned(),
            hash: KeyHash::of(b"oa_shop"),
            grant: Grant::Roles(vec![Role::Customer]),
        }];
    })
}

fn preflight(origin: &str, method: &str, headers: &str) -> String {
    format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: {headers}\r\n"
    )
}

#[tokio::test]
async fn preflight_of_an_allowed_origin_permits_the_api_headers() {
    let server = server();
    for (path, method) in [
        ("/api/v1/orders", "POST"),
        ("/api/v1/orders/1", "PATCH"),
        ("/api/v1/stock", "GET"),
        ("/api/v1/nowhere", "GET"),
    ] {
        let requested = "authorization,content-type,idempotency-key,if-match,last-event-id,prefer";
        let head = preflight(ORIGIN, method, requested);
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
        for header in requested.split(',') {
            assert!(allowed.contains(header), "{allowed}");
        }
        assert!(reply.header("vary").unwrap().contains("Origin"));
    }
}

#[tokio::test]
async fn allowed_origin_may_read_responses_and_their_headers() {
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
async fn other_origins_get_no_cors_headers() {
    let server = server();
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "null",
    ] {
        let head = preflight(origin, "POST", "authorization");
        let reply = server.send("OPTIONS", "/api/v1/orders", &head, b"").await;
        reply.problem(400, "malformed-request");
        assert_eq!(
            reply.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
        let head = format!("Origin: {origin}\r\nAuthorization: Bearer oa_shop\r\n");
        let reply = server.send("GET", "/api/v1/orders", &head, b"").await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.header("access-control-allow-origin"),
            None,
            "{origin}"
        );
    }
    let unknown = preflight(ORIGIN, "POST", "x-odd");
    let reply = server
        .send("OPTIONS", "/api/v1/orders", &unknown, b"")
        .await;
    reply.problem(400, "malformed-request");
    let unknown = preflight(ORIGIN, "DELETE", "authorization");
    let reply = server
        .send("OPTIONS", "/api/v1/orders", &unknown, b"")
        .await;
    reply.problem(400, "malformed-request");
}

#[tokio::test]
async fn no_origin_is_allowed_by_default() {
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
async fn every_response_has_security_headers() {
    let server = TestServer::start();
    let assert_headers = |reply: &crate::client::Reply, case: &str| {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{case}");
        }
        let policy = reply.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{case}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{case}: {policy}");
        // Behind a TLS proxy, HSTS would apply to other services of the same host; without TLS it has no effect.
        assert_eq!(reply.header("strict-transport-security"), None, "{case}");
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
        assert_headers(&reply, path);
        assert!(reply.header("cache-control").is_some(), "{path}");
    }
    server.store.fail(Some(Failure::Panic));
    let reply = server.get("/api/v1/orders").await;
    reply.problem(503, "unavailable");
    assert_headers(&reply, "a panic");
}

/// The policy allows files of this service only and no inline scripts or styles, and the page has none.
#[tokio::test]
async fn docs_load_only_files_of_this_service() {
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
        assert!(!page.contains(forbidden), "the policy forbids {forbidden}");
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
            // With `nosniff`, browsers require this media type.
            assert_eq!(reply.header("content-type"), Some(media_type));
            assert_eq!(reply.header("cache-control"), Some("max-age=3600"));
        }
    }
}
