//! Slow clients, huge bodies and malformed requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tests::{Deployment, Standalone, assert_contains, concurrently, scale};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Maximum wait for a response.
const TIMEOUT: Duration = Duration::from_secs(30);

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Returns the status code of a response once its first line has arrived.
fn status(response: &[u8]) -> Option<u16> {
    let line = response.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

/// Sends `head`, then `chunk` up to `most` times after a pause each, until the response is complete or the connection fails.
/// Returns the response and the number of chunks sent.
async fn exchange(
    address: SocketAddr,
    head: &[u8],
    (chunk, most, pause): (&[u8], u64, Duration),
    is_complete: impl Fn(&[u8]) -> bool,
) -> (Vec<u8>, u64) {
    let (mut response, mut sent) = (Vec::new(), 0);
    let Ok(mut connection) = TcpStream::connect(address).await else {
        return (response, sent);
    };
    let (mut reader, mut writer) = connection.split();
    let write = async {
        let mut is_open = writer.write_all(head).await.is_ok();
        while is_open && sent < most {
            sleep(pause).await;
            is_open = writer.write_all(chunk).await.is_ok();
            sent += u64::from(is_open);
        }
        // The server may respond and stop reading before everything is sent.
        std::future::pending::<()>().await;
    };
    let read = async {
        while !is_complete(&response) && reader.read_buf(&mut response).await.is_ok_and(|n| n > 0) {
        }
    };
    let both = async {
        tokio::select! { () = write => {}, () = read => {} }
    };
    // A response that does not arrive in time is incomplete.
    let _ = timeout(TIMEOUT, both).await;
    (response, sent)
}

/// Sends bytes, then `piece` repeatedly until there is a response. Returns its status code, or `None` without a response.
async fn trickle(address: SocketAddr, start: &[u8], piece: &[u8]) -> Option<u16> {
    let pieces = (piece, u64::MAX, Duration::from_millis(200));
    let has_status = |response: &[u8]| status(response).is_some();
    status(&exchange(address, start, pieces, has_status).await.0)
}

/// Sends bytes. Returns the status code of the response, or `None` without a response.
async fn send(address: SocketAddr, request: &[u8]) -> Option<u16> {
    let has_status = |response: &[u8]| status(response).is_some();
    let nothing = (&b""[..], 0, Duration::ZERO);
    status(&exchange(address, request, nothing, has_status).await.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_time_out_and_do_not_delay_others() {
    let slow = scale::pick(40, 1_000);
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 1_000_000)])
        .settings("[api]\nbody_timeout = \"3s\"\n")
        .start()
        .await;
    let address = local(deployment.apis[0].port());
    let heads: [&[u8]; 2] = [
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
    ];
    let pieces: [&[u8]; 2] = [b"X-More: x\r\n", b" "];
    let mut clients = JoinSet::new();
    for number in 0..slow {
        clients.spawn(trickle(address, heads[number % 2], pieces[number % 2]));
    }
    let client = deployment.client(0);
    let (mut orders, mut longest) = (0, Duration::ZERO);
    let mut outcomes: BTreeMap<Option<u16>, usize> = BTreeMap::new();
    while !clients.is_empty() {
        let started = Instant::now();
        client.place("1", 1).await;
        longest = longest.max(started.elapsed());
        orders += 1;
        sleep(Duration::from_millis(20)).await;
        while let Some(ended) = clients.try_join_next() {
            *outcomes.entry(ended.unwrap()).or_default() += 1;
        }
    }
    println!(
        "{slow} slow clients, half with a head and half with a body that never ends: {outcomes:?}; {orders} orders placed meanwhile, \
         the slowest in {} ms",
        longest.as_millis()
    );
    assert_eq!(outcomes, BTreeMap::from([(Some(408), slow)]));
    assert!(orders > 20, "slow clients were disconnected too early");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    deployment.all_settled().await;
    deployment.audit().await;
}

/// Sends a body in chunks until the server responds or `most` chunks were sent. Returns the response and the number of chunks
/// sent.
async fn send_body(address: SocketAddr, head: &str, chunk: &[u8], most: u64) -> (Vec<u8>, u64) {
    let is_complete = |response: &[u8]| response.ends_with(b"}");
    let chunks = (chunk, most, Duration::ZERO);
    exchange(address, head.as_bytes(), chunks, is_complete).await
}

/// A part of a body that is not JSON.
static CHUNK: [u8; 0x1_0000] = [b' '; 0x1_0000];

/// Sends `at_once` concurrent bodies just below the size limit of a batch that are not JSON.
async fn send_allowed_bodies(address: SocketAddr, at_once: usize) {
    let responses = concurrently(at_once, |_| async move {
        let head = "POST /api/v1/orders/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 983040\r\n\r\n";
        send_body(address, head, &CHUNK, 15).await.0
    });
    for response in responses.await {
        assert!(response.starts_with(b"HTTP/1.1 400 "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn huge_body_is_rejected_early_with_bounded_memory() {
    let most: u64 = scale::pick(64, 1024) * 1024 * 1024;
    let at_once = scale::pick(4, 16);
    let standalone = Standalone::start(&[("vendor-a", &[("1", 50)])], "").await;
    let client = standalone.client();
    client.place("1", 1).await;
    let address = local(standalone.port());
    send_allowed_bodies(address, at_once).await;
    let before = standalone.process.peak_memory_bytes();
    let responses = concurrently(at_once, |number| async move {
        let path = ["/api/v1/orders", "/api/v1/orders/batch"][number % 2];
        let (length, chunk) = if number / 2 % 2 == 0 {
            (format!("Content-Length: {most}"), CHUNK.to_vec())
        } else {
            let chunk = [&b"10000\r\n"[..], &CHUNK, b"\r\n"].concat();
            ("Transfer-Encoding: chunked".to_owned(), chunk)
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        );
        send_body(address, &head, &chunk, most / 0x1_0000).await
    });
    let mut sent_most = 0;
    for (response, chunks) in responses.await {
        let response = String::from_utf8_lossy(&response).into_owned();
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        assert_contains(&response, "/problems/payload-too-large");
        sent_most = sent_most.max(chunks * 0x1_0000);
    }
    let grown = standalone.process.peak_memory_bytes() - before;
    println!(
        "{at_once} bodies of {most} bytes at once: 413 each, at most {sent_most} bytes of one were sent; peak memory \
         grew by {grown} bytes"
    );
    // Bytes in socket buffers count as sent.
    assert!(sent_most < most / 2, "{sent_most} bytes were sent");
    // The limit of a batch is one mebibyte, and each body is read up to its limit.
    let allowed = 8 + 2 * u64::try_from(at_once).unwrap();
    assert!(grown < allowed * 1024 * 1024, "{grown} bytes");
    client.place_confirmed("1", 1).await;
}

fn random_bytes(random: &mut Rng, most: usize, without: &[u8]) -> Vec<u8> {
    let length = random.usize(1..=most);
    std::iter::repeat_with(|| random.u8(..))
        .filter(|byte| !without.contains(byte))
        .take(length)
        .collect()
}

/// Returns a malformed request: random bytes as a whole, in the path or in a header, or oversized headers. The request is
/// complete, so HTTP requires a response.
fn bad_request(random: &mut Rng) -> Vec<u8> {
    const ORDER: &[u8] = br#"{"product_id": "1", "quantity": 1}"#;
    let order = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        ORDER.len()
    );
    match random.u8(..8) {
        0 | 1 => {
            // Servers skip white space before a request, so white space alone would not be a request.
            let random_bytes = random_bytes(random, 200, b"\r\n");
            [&random_bytes, &b"\r\n\r\n"[..]].concat()
        }
        2 | 3 => {
            let methods = ["GET", "POST", "PATCH", "DELETE", "get", "BREW", "OPTIONS"];
            let method = methods[random.usize(..methods.len())];
            let roots = [
                "/",
                "/api/v1/orders/",
                "/api/v1/stock/",
                "/api/v1/orders?",
                "*",
            ];
            let root = roots[random.usize(..roots.len())];
            let path = random_bytes(random, 100, b"\r\n ");
            let start = format!("{method} {root}");
            [
                start.as_bytes(),
                &path,
                b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            ]
            .concat()
        }
        4..7 => {
            let names = [
                "Idempotency-Key",
                "Content-Type",
                "Authorization",
                "Prefer",
                "Accept",
                "If-Match",
                "Expect",
            ];
            let name = if random.bool() {
                names[random.usize(..names.len())].as_bytes().to_vec()
            } else {
                random_bytes(random, 30, b"\r\n")
            };
            let value = random_bytes(random, 100, b"\r\n");
            let head = format!(
                "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{order}"
            );
            [head.as_bytes(), &name, b": ", &value, b"\r\n\r\n", ORDER].concat()
        }
        _ => {
            let (lines, length) = [(1, 200_000), (400, 10), (90, 1_500)][random.usize(..3)];
            let mut head = format!(
                "POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{order}"
            );
            for line in 0..lines {
                // Writing to a String cannot fail.
                let _ = write!(head, "X-{line}: {}\r\n", "x".repeat(length));
            }
            [head.as_bytes(), b"\r\n", ORDER].concat()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_get_a_response_and_never_a_5xx() {
    let requests: u64 = scale::pick(1_000, 20_000);
    let clients = 16;
    let deployment = Deployment::start(&[("1", 1_000_000)]).await;
    let address = local(deployment.apis[0].port());
    let responses = concurrently(clients, |client| async move {
        let mut responses = Vec::new();
        for number in (client as u64..requests).step_by(clients) {
            // Seed each request by its number, so that a failing request can be reproduced.
            let request = bad_request(&mut Rng::with_seed(number));
            responses.push((number, send(address, &request).await));
        }
        responses
    });
    let mut outcomes: BTreeMap<Option<u16>, u64> = BTreeMap::new();
    let mut bad = Vec::new();
    for (number, status) in responses.await.into_iter().flatten() {
        *outcomes.entry(status).or_default() += 1;
        if status.is_none_or(|status| status >= 500) {
            bad.push((number, status));
        }
    }
    println!("{requests} malformed requests, responses by status: {outcomes:?}");
    assert_eq!(bad, [], "a 5xx response, or no response");
    let log = deployment.apis[0].log();
    assert!(!log.contains("panicked"), "{log}");
    let client = deployment.client(0);
    client.place("1", 1).await;
    client.all_settled().await;
    deployment.audit().await;
}
