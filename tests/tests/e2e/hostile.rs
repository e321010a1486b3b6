//! Slow clients, huge bodies and malformed requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use client::OrderStatus;
use fastrand::Rng;
use tests::{Deployment, Standalone, scale};
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

/// Sends `start`, then `piece` repeatedly after a pause until there is a response. Returns its status code.
async fn trickle(address: SocketAddr, start: &[u8], piece: &[u8], pause: Duration) -> Option<u16> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    connection.write_all(start).await.ok()?;
    let (mut reader, mut writer) = connection.split();
    let send = async {
        loop {
            sleep(pause).await;
            if writer.write_all(piece).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let receive = async {
        let mut response = Vec::new();
        while status(&response).is_none() {
            if reader.read_buf(&mut response).await.ok()? == 0 {
                return None;
            }
        }
        status(&response)
    };
    let exchange = async {
        tokio::select! { () = send => None, status = receive => status }
    };
    timeout(TIMEOUT, exchange).await.ok()?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_time_out_and_do_not_delay_others() {
    let slow = scale::pick(40, 1_000);
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 1_000_000)])
        .settings("[api]\nbody_timeout = \"3s\"\n")
        .start()
        .await;
    let address = local(deployment.api_port(0));
    let heads: [&[u8]; 2] = [
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
    ];
    let pieces: [&[u8]; 2] = [b"X-More: x\r\n", b" "];
    let mut clients = JoinSet::new();
    for number in 0..slow {
        let (start, piece) = (heads[number % 2], pieces[number % 2]);
        let pause = Duration::from_millis(200);
        clients.spawn(async move { trickle(address, start, piece, pause).await });
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

/// Sends a body until the server responds or `most` bytes were sent. Returns the response and the number of bytes sent.
async fn send_body(address: SocketAddr, head: &str, chunk: &[u8], most: u64) -> (Vec<u8>, u64) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = connection.split();
    let mut sent = 0;
    let mut response = Vec::new();
    let write = async {
        while sent < most && writer.write_all(chunk).await.is_ok() {
            sent += u64::try_from(chunk.len()).unwrap();
        }
        std::future::pending::<()>().await;
    };
    let receive = async {
        while !response.ends_with(b"}") {
            if reader.read_buf(&mut response).await.unwrap_or(0) == 0 {
                return;
            }
        }
    };
    let exchange = async {
        tokio::select! { () = write => (), () = receive => () }
    };
    timeout(TIMEOUT, exchange).await.unwrap();
    (response, sent)
}

/// Sends `at_once` concurrent bodies just below the size limit of a batch that are not JSON.
async fn send_allowed_bodies(address: SocketAddr, at_once: usize) {
    const BYTES: u64 = 0xf_0000;
    let head = format!(
        "POST /api/v1/orders/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {BYTES}\r\n\r\n"
    );
    let mut clients = JoinSet::new();
    for _ in 0..at_once {
        let head = head.clone();
        clients.spawn(async move {
            send_body(address, &head, &vec![b' '; 0x1_0000], BYTES)
                .await
                .0
        });
    }
    for response in clients.join_all().await {
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
    let mut clients = JoinSet::new();
    for number in 0..at_once {
        let path = ["/api/v1/orders", "/api/v1/orders/batch"][number % 2];
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        );
        clients.spawn(async move {
            let data = vec![b' '; 0x1_0000];
            if number / 2 % 2 == 0 {
                let head = format!("{head}Content-Length: {most}\r\n\r\n");
                send_body(address, &head, &data, most).await
            } else {
                let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
                let chunk = [&b"10000\r\n"[..], &data, b"\r\n"].concat();
                send_body(address, &head, &chunk, most).await
            }
        });
    }
    let mut sent_most = 0;
    for (response, sent) in clients.join_all().await {
        let response = String::from_utf8_lossy(&response).into_owned();
        assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
        assert!(
            response.contains("/problems/payload-too-large"),
            "{response}"
        );
        sent_most = sent_most.max(sent);
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
    let order = client.place("1", 1).await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
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

/// Sends bytes and returns the status code of the response, or `None` without a response.
async fn send(address: SocketAddr, request: &[u8]) -> Option<u16> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    let (mut reader, mut writer) = connection.split();
    // The server may respond and stop reading before everything is sent.
    let write = async { drop(writer.write_all(request).await) };
    let read = async {
        let mut response = Vec::new();
        while status(&response).is_none() && reader.read_buf(&mut response).await.ok()? > 0 {}
        status(&response)
    };
    let exchange = async { tokio::join!(write, read).1 };
    timeout(TIMEOUT, exchange).await.ok()?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_get_a_response_and_never_a_5xx() {
    let requests: u64 = scale::pick(1_000, 20_000);
    let clients = 16;
    let deployment = Deployment::builder()
        .vendor("vendor-a", &[("1", 1_000_000)])
        .start()
        .await;
    let address = local(deployment.api_port(0));
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        tasks.spawn(async move {
            let mut outcomes: BTreeMap<Option<u16>, u64> = BTreeMap::new();
            let mut bad = Vec::new();
            for number in (client..requests).step_by(clients.try_into().unwrap()) {
                // Seed each request by its number, so that a failing request can be reproduced.
                let request = bad_request(&mut Rng::with_seed(number));
                let status = send(address, &request).await;
                *outcomes.entry(status).or_default() += 1;
                if status.is_none_or(|status| status >= 500) {
                    bad.push((number, status));
                }
            }
            (outcomes, bad)
        });
    }
    let mut outcomes: BTreeMap<Option<u16>, u64> = BTreeMap::new();
    let mut bad = Vec::new();
    for (counted, found) in tasks.join_all().await {
        for (status, count) in counted {
            *outcomes.entry(status).or_default() += count;
        }
        bad.extend(found);
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
