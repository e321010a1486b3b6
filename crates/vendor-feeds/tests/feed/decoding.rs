//! Bodies that are compressed, and responses that have no report.

use std::io::Write;

use domain::ports::VendorFeed;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::canned::CannedServer;
use super::{feed, feed_with, malformed, unavailable, units_of};

const BODY: &[u8] = br#"[{"productId":"1","quantity":50}]"#;

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn compressed_body_is_decoded_although_none_was_requested() {
    let two_members = [gzip(&BODY[..9]), gzip(&BODY[9..])].concat();
    for (headers, body) in [
        ("", BODY.to_vec()),
        ("Content-Encoding: identity\r\n", BODY.to_vec()),
        ("Content-Encoding: gzip\r\n", gzip(BODY)),
        ("content-encoding: X-GZip\r\n", gzip(BODY)),
        ("Content-Encoding: gzip\r\n", two_members),
        // A file that is compressed itself.
        ("Content-Type: application/gzip\r\n", gzip(BODY)),
        ("Content-Encoding: gzip\r\n", gzip(&gzip(&gzip(BODY)))),
        // Some servers name the coding of a file that they do not compress.
        ("Content-Encoding: gzip\r\n", BODY.to_vec()),
    ] {
        let server = CannedServer::start_with_body("200 OK", headers, &body).await;
        assert_eq!(units_of(&feed(&server.url()), "1").await, Some(50));
        let request = server.request().to_lowercase();
        assert!(
            request.contains("\r\naccept-encoding: identity\r\n"),
            "{request}"
        );
        assert!(
            request.contains("\r\naccept: application/json\r\n"),
            "{request}"
        );
    }
    let deep = gzip(&gzip(&gzip(BODY)));
    let server = CannedServer::start_with_body("200 OK", "", &deep).await;
    assert_eq!(
        malformed(&feed(&server.url())).await,
        "more than 2 archives or compressed files are inside each other"
    );
}

#[tokio::test]
async fn other_content_coding_is_named() {
    let server = CannedServer::start("200 OK", "Content-Encoding: br\r\n").await;
    assert_eq!(
        malformed(&feed(&server.url())).await,
        "the response has the Content-Encoding br, which was not requested and is not supported (gzip is)"
    );
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn successful_status_without_a_report_is_named() {
    for (status, detail) in [
        ("202 Accepted", "; the report is not ready"),
        ("204 No Content", "; there is no report"),
        (
            "206 Partial Content",
            "; a part of the report, which was not requested",
        ),
        ("304 Not Modified", ", but the request has no condition"),
        (
            "203 Non Authoritative Information",
            "; only 200 has a report",
        ),
    ] {
        let server = CannedServer::start(status, "").await;
        let problem = unavailable(&feed(&server.url())).await;
        let code = &status[..3];
        assert!(
            problem.starts_with(&format!("the vendor responded with {code} ")),
            "{problem}"
        );
        assert!(problem.ends_with(detail), "{problem}");
        assert_eq!(server.requests(), 1);
    }
}

#[tokio::test]
async fn page_in_place_of_a_report_is_named() {
    let body = b"<!DOCTYPE html>\n<title>Sign in</title>";
    let server = CannedServer::start_with_body("200 OK", "", body).await;
    assert_eq!(
        malformed(&feed(&server.url())).await,
        "the document is HTML or XML, expected JSON; it begins with <!DOCTYPE html>\\n<title>Sign in</title>"
    );
}

#[tokio::test]
async fn half_of_a_report_in_another_encoding_is_refused() {
    let body = b"[{\"productId\":\"M\xfcller\",\"quantity\":50}]";
    let server = CannedServer::start_with_body("200 OK", "", body).await;
    let url = server.url();
    assert_eq!(
        malformed(&feed(&url)).await,
        "the text is not valid UTF-8 at the byte offset 16: FC (decode.charset states another encoding)"
    );
    let feed = feed_with(&url, |options| {
        options.decode.charset = vendor_feeds::Encoding::for_label(b"windows-1252");
    });
    assert_eq!(units_of(&feed, "Müller").await, Some(50));
    assert!(feed.fetch().await.unwrap().report.as_of().is_none());
}
