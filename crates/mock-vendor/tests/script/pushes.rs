//! Vendors that send their reports.

use std::io::Read as _;
use std::time::Duration;

use flate2::read::GzDecoder;
use mock_vendor::script::Script;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// One request: its head in lower case, and its body.
async fn receive(listener: &TcpListener, response: &str) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    let head_end = loop {
        stream.read_buf(&mut received).await.unwrap();
        if let Some(end) = received.windows(4).position(|it| it == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let mut body = received.split_off(head_end);
    let head = String::from_utf8(received).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    while body.len() < length {
        stream.read_buf(&mut body).await.unwrap();
    }
    stream.write_all(response.as_bytes()).await.unwrap();
    (head, body)
}

fn unzipped(body: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn reports_are_sent_until_they_are_received() {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "[[vendors]]\nname = 'acme'\ntransport = 'push'\nurl = 'http://{address}/api/v1/vendors/acme/reports'\n\
         interval_s = 1\nstock = {{ A = 1 }}\nformat = {{ type = 'csv', header = false }}\n\
         auth = {{ type = 'bearer', token = 'oa_acme' }}\nheaders = {{ X-Shop = '7' }}\n\
         compression = {{ type = 'gzip', content_encoding = true }}\n\
         [[vendors.steps]]\nrequests = 1\n[[vendors.steps]]\nstock = {{ A = 2 }}\n"
    );
    let vendor = Script::parse(&text).unwrap().start().unwrap().remove(0);
    let end = format!("acme sends its reports to http://{address}/api/v1/vendors/acme/reports");
    assert_eq!(vendor.description(), end);
    let mut found = Vec::new();
    let received = async {
        // The second is the first again, because it was not received.
        for response in [BUSY, OK, OK] {
            let (head, body) = receive(&listener, response).await;
            for part in [
                "post /api/v1/vendors/acme/reports ",
                "authorization: bearer oa_acme",
                "content-encoding: gzip",
                "x-shop: 7",
            ] {
                assert!(head.contains(part), "{part} is not in {head}");
            }
            found.push(unzipped(&body));
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), received).await;
    ended.unwrap();
    let [first, second] = ["A,Product A,1\r\n", "A,Product A,2\r\n"];
    assert_eq!(found, [first, first, second]);
    assert!(vendor.requests() >= 1);
}
