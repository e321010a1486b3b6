//! Scripted vendors through HTTP, as files and on servers, and the program that runs them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod auth;
mod files;
mod pages;
mod program;
mod pushes;
mod servers;

use std::time::Duration;

use mock_vendor::script::{Script, ScriptedVendor};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

/// Starts a vendor of three products with these further lines.
fn vendor(lines: &str) -> ScriptedVendor {
    vendor_with("stock = { A = 1, B = 2, C = 3 }", lines)
}

fn vendor_with(stock: &str, lines: &str) -> ScriptedVendor {
    let text = format!("[[vendors]]\nlisten = '127.0.0.1:0'\n{stock}\n{lines}\n");
    let script = Script::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    script.start().unwrap().remove(0)
}

/// Starts a vendor whose responses have this fault.
fn faulty(fault: &str) -> ScriptedVendor {
    vendor(&format!("[[vendors.steps]]\nfault = {{ {fault} }}"))
}

fn client() -> Client {
    // Fails if a provider is already installed, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

fn get(url: &str) -> RequestBuilder {
    client().get(url)
}

async fn response(vendor: &ScriptedVendor) -> Response {
    get(&vendor.url().unwrap()).send().await.unwrap()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

async fn json(request: RequestBuilder) -> Value {
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// The product ids of a page.
fn ids(page: &Value, items: &str) -> String {
    let items = page.pointer(items).unwrap().as_array().unwrap();
    let ids = items.iter().map(|item| item["productId"].as_str().unwrap());
    ids.collect()
}

#[tokio::test]
async fn status_faults_have_no_report() {
    for (fault, status, name, value) in [
        ("kind = 'status', status = 204", 204, "x", None),
        ("kind = 'status', status = 202", 202, "x", None),
        ("kind = 'status', status = 304", 304, "x", None),
        ("kind = 'status', status = 503", 503, "x", None),
        (
            "kind = 'retry_after', value = '120'",
            429,
            "retry-after",
            Some("120"),
        ),
        (
            "kind = 'retry_after', status = 503, value = 'soon'",
            503,
            "retry-after",
            Some("soon"),
        ),
        (
            "kind = 'redirect', to = 'http://other.example/'",
            301,
            "location",
            Some("http://other.example/"),
        ),
    ] {
        let vendor = faulty(fault);
        let response = response(&vendor).await;
        assert_eq!(response.status(), status, "{fault}");
        assert_eq!(header(response.headers(), name), value, "{fault}");
        assert!(response.bytes().await.unwrap().is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn spoiled_bodies_are_those_of_their_fault() {
    let whole = response(&vendor("")).await.bytes().await.unwrap();
    let half = &whole[..whole.len() / 2];
    let vendor = faulty("kind = 'status', status = 206");
    let part = response(&vendor).await;
    assert_eq!(part.status(), 206);
    let range = format!("bytes 0-{}/{}", half.len() - 1, whole.len());
    assert_eq!(header(part.headers(), "content-range"), Some(&*range));
    assert_eq!(part.bytes().await.unwrap(), half);

    for (fault, length, received) in [
        ("kind = 'truncate'", whole.len(), half),
        ("kind = 'content_length', add = 7", whole.len() + 7, &whole),
    ] {
        let vendor = faulty(fault);
        let mut cut = response(&vendor).await;
        assert_eq!(cut.content_length(), Some(length as u64), "{fault}");
        let mut body = Vec::new();
        let failure = loop {
            match cut.chunk().await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                end => break end,
            }
        };
        assert!(failure.is_err(), "{fault}");
        assert_eq!(body, received, "{fault}");
    }
    let vendor = faulty("kind = 'content_length', add = -7");
    let short = response(&vendor).await.bytes().await.unwrap();
    assert_eq!(short, whole[..whole.len() - 7]);

    let vendor = faulty("kind = 'slow', bytes = 40, ms = 1");
    let mut slow = response(&vendor).await;
    assert_eq!(slow.content_length(), Some(whole.len() as u64));
    let mut body = Vec::new();
    while let Some(piece) = slow.chunk().await.unwrap() {
        body.extend_from_slice(&piece);
    }
    assert_eq!(body, whole);

    for fault in ["kind = 'stall'", "kind = 'hang'"] {
        let vendor = faulty(fault);
        let request = get(&vendor.url().unwrap()).timeout(Duration::from_millis(300));
        let outcome = match request.send().await {
            Ok(response) => response.bytes().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(outcome.unwrap_err().is_timeout(), "{fault}");
        vendor.stop().await;
    }
}

#[tokio::test]
async fn steps_change_headers_compression_and_media_type() {
    let vendor = vendor(
        "headers = { ETag = '\"1\"', Age = '5' }\n[[vendors.steps]]\nrequests = 1\n\
         [[vendors.steps]]\nrequests = 1\nheaders = { Age = '90' }\n\
         compression = { type = 'gzip', content_encoding = true }\n\
         [[vendors.steps]]\nrequests = 1\ncompression = { type = 'zip', entry = 'a.json' }\n\
         [[vendors.steps]]\nrequests = 1\nfault = { kind = 'html' }\n",
    );
    let mut found = Vec::new();
    for _ in 0..4 {
        let response = response(&vendor).await;
        let headers = response.headers();
        let names = ["etag", "age", "content-encoding", "content-type"];
        found.push(names.map(|name| header(headers, name).unwrap_or("-").to_owned()));
    }
    assert_eq!(
        found,
        [
            ["\"1\"", "5", "-", "application/json"],
            ["\"1\"", "90", "gzip", "application/json"],
            ["\"1\"", "5", "-", "application/zip"],
            ["\"1\"", "5", "-", "text/html"],
        ]
    );
    assert_eq!(vendor.requests(), 4);
}

#[tokio::test]
async fn vendor_redirects_to_another_vendor() {
    let target = vendor("");
    let url = target.url().unwrap();
    let vendor = vendor_with("stock = {}", &format!("redirect = '{url}'"));
    let response = response(&vendor).await;
    assert_eq!(response.status(), 302);
    assert_eq!(header(response.headers(), "location"), Some(&*url));
}
