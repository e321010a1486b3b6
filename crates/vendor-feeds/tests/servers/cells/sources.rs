//! The sources. Each sends a report once, from a server of its own, and asserts the times that it states.

use domain::evidence::ResponseTimes;
use domain::ports::{FetchedReport, PushFeed as _, PushedDocument};
use tempfile::TempDir;
use vendor_feeds::{FtpsTls, HttpOptions, PushReceiver, SourceFeed};

use super::{Cell, Source, at};
use crate::bucket::Service;
use crate::canned::CannedServer;
use crate::ftpd::{Certificate, Ftpd};
use crate::sshd::Sshd;
use crate::{Arc, ChangingClock, fetch, modified, write};

/// `Date` of responses and pushes.
pub(super) const SENT: &str = "2026-11-02T08:00:00Z";

/// Reads a report.
async fn read(cell: &Cell, source: Source) -> FetchedReport {
    // Files are looked at twice; nothing changes between the looks.
    let clock = Arc::new(ChangingClock(|| ()));
    fetch(&SourceFeed::new(cell.options(source), clock).unwrap()).await
}

/// Reads a report from a file source: the modification time is all that it states.
async fn read_file(cell: &Cell, source: Source) -> FetchedReport {
    let fetched = read(cell, source).await;
    assert_eq!(
        fetched.times,
        ResponseTimes {
            last_modified: modified(),
            is_file_time: true,
            ..ResponseTimes::default()
        }
    );
    fetched
}

pub(super) async fn http(cell: Cell) -> FetchedReport {
    let mut headers = "Date: Mon, 02 Nov 2026 08:00:00 GMT\r\nLast-Modified: Sun, 01 Nov 2026 08:00:00 GMT\r\nETag: \"7\"\r\n\
         Content-Type: application/octet-stream\r\n"
        .to_owned();
    if cell.sent.is_compressed {
        headers.push_str("Content-Encoding: gzip\r\n");
    }
    let server = CannedServer::start_with_body("200 OK", &headers, &cell.sent.bytes).await;
    let options = HttpOptions::new(server.url().parse().unwrap());
    let fetched = read(&cell, Source::Http(Box::new(options))).await;
    assert_eq!(
        fetched.times,
        ResponseTimes {
            last_modified: modified(),
            etag: Some("\"7\"".to_owned()),
            date: Some(at(SENT)),
            ..ResponseTimes::default()
        }
    );
    fetched
}

pub(super) async fn sftp(cell: Cell) -> FetchedReport {
    let server = Sshd::with_password(&["ed25519"], "");
    write(&server.reports().join("report"), &cell.sent.bytes, 0);
    read_file(&cell, server.source("rep*", |_| {})).await
}

pub(super) async fn ftps(cell: Cell) -> FetchedReport {
    let server = Ftpd::vsftpd(FtpsTls::Explicit, Certificate::Signed, "");
    write(&server.reports().join("report"), &cell.sent.bytes, 0);
    read_file(&cell, server.source("rep*", |_| {})).await
}

pub(super) async fn bucket(cell: Cell) -> FetchedReport {
    let service = Service::start().await;
    write(&service.reports().join("report"), &cell.sent.bytes, 0);
    read_file(&cell, service.source("out/rep*", |_| {})).await
}

pub(super) async fn file(cell: Cell) -> FetchedReport {
    let directory = TempDir::new().unwrap();
    write(&directory.path().join("report"), &cell.sent.bytes, 0);
    let path = directory.path().join("rep*");
    read_file(&cell, Source::File { path }).await
}

/// Through the port of the API, whose own tests send documents over HTTP (crates/api/tests/http/pushing.rs).
pub(super) async fn push(cell: Cell) -> FetchedReport {
    let times = ResponseTimes {
        last_modified: modified(),
        date: Some(at(SENT)),
        ..ResponseTimes::default()
    };
    let source = Source::File {
        path: "unused".into(),
    };
    let receiver = PushReceiver::new(cell.options(source).into());
    let document = PushedDocument {
        is_compressed: cell.sent.is_compressed,
        times: times.clone(),
        announced_bytes: None,
    };
    let mut upload = receiver.unwrap().receive(document).unwrap();
    for piece in cell.sent.bytes.chunks(100) {
        upload.write(piece).await.unwrap();
    }
    let fetched = upload.finish().await.unwrap().fetch().await.unwrap();
    assert_eq!(fetched.times, times);
    fetched
}
