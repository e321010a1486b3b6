//! Clients that mean no good, or cannot do better: slow ones, endless ones, and junk.

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

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The status of an answer, once its first line is there.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.strip_prefix(b"HTTP/1.1 ")?;
    std::str::from_utf8(line.get(..3)?).ok()?.parse().ok()
}

/// Sends `start`, then `piece` again and again after a pause, until there is an answer. Returns its status.
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
    let listen = async {
        let mut answer = Vec::new();
        while status(&answer).is_none() {
            if reader.read_buf(&mut answer).await.ok()? == 0 {
                return None;
            }
        }
        status(&answer)
    };
    let answered = async {
        tokio::select! { () = send => None, status = listen => status }
    };
    timeout(PATIENCE, answered).await.ok()?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_given_up_and_hinder_nobody() {
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
        "{slow} slow clients, half with a head and half with a body that never ends: {outcomes:?}; {orders} orders meanwhile, \
         the slowest taken in {} ms",
        longest.as_millis()
    );
    assert_eq!(outcomes, BTreeMap::from([(Some(408), slow)]));
    assert!(orders > 20, "they were given up at once");
    assert!(longest < Duration::from_secs(5), "{longest:?}");
    deployment.all_settled().await;
    deployment.audit().await;
}

/// Pours a body until the server answers or so much was sent. Returns the answer and how much of the body was sent by then.
async fn pour(address: SocketAddr, head: &str, chunk: &[u8], most: u64) -> (Vec<u8>, u64) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = connection.split();
    let mut sent = 0;
    let mut answer = Vec::new();
    let write = async {
        while sent < most && writer.write_all(chunk).await.is_ok() {
            sent += u64::try_from(chunk.len()).unwrap();
        }
        std::future::pending::<()>().await;
    };
    let listen = async {
        while !answer.ends_with(b"}") {
            if reader.read_buf(&mut answer).await.unwrap_or(0) == 0 {
                return;
            }
        }
    };
    let answered = async {
        tokio::select! { () = write => (), () = listen => () }
    };
    timeout(PATIENCE, answered).await.unwrap();
    (answer, sent)
}

/// So many bodies at once that are nearly as large as a batch may be, and no JSON.
async fn pour_what_is_allowed(address: SocketAddr, at_once: usize) {
    const BYTES: u64 = 0xf_0000;
    let head = format!(
        "POST /api/v1/orders/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {BYTES}\r\n\r\n"
    );
    let mut clients = JoinSet::new();
    for _ in 0..at_once {
        let head = head.clone();
        clients.spawn(async move { pour(address, &head, &vec![b' '; 0x1_0000], BYTES).await.0 });
    }
    for answer in clients.join_all().await {
        assert!(answer.starts_with(b"HTTP/1.1 400 "));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_body_is_refused_early_and_takes_no_memory() {
    let most: u64 = scale::pick(64, 1024) * 1024 * 1024;
    let at_once = scale::pick(4, 16);
    let standalone = Standalone::start(&[("vendor-a", &[("1", 50)])], "").await;
    let client = standalone.client();
    client.place("1", 1).await;
    let address = local(standalone.port());
    pour_what_is_allowed(address, at_once).await;
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
                pour(address, &head, &data, most).await
            } else {
                let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
                let chunk = [&b"10000\r\n"[..], &data, b"\r\n"].concat();
                pour(address, &head, &chunk, most).await
            }
        });
    }
    let mut sent_most = 0;
    for (answer, sent) in clients.join_all().await {
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("/problems/payload-too-large"), "{answer}");
        sent_most = sent_most.max(sent);
    }
    let grown = standalone.process.peak_memory_bytes() - before;
    println!(
        "{at_once} bodies of {most} bytes at once: 413 each, at most {sent_most} bytes of one sent by then; the peak of memory \
         grew by {grown} bytes"
    );
    // What the system buffers of a connection is sent, too.
    assert!(sent_most < most / 2, "{sent_most} bytes were taken");
    // A batch may have a mebibyte, and each body is read up to its limit.
    let allowed = 8 + 2 * u64::try_from(at_once).unwrap();
    assert!(grown < allowed * 1024 * 1024, "{grown} bytes");
    let order = client.place("1", 1).await;
    let order = client.settled(order.id).await;
    assert_eq!(order.status, OrderStatus::Confirmed);
}

fn junk(random: &mut Rng, most: usize, without: &[u8]) -> Vec<u8> {
    let length = random.usize(1..=most);
    std::iter::repeat_with(|| random.u8(..))
        .filter(|byte| !without.contains(byte))
        .take(length)
        .collect()
}

/// A request that nobody should send: junk as a whole, in its path, in a header, or far too much of it. It is whole, so HTTP
/// wants it answered.
fn bad_request(random: &mut Rng) -> Vec<u8> {
    const ORDER: &[u8] = br#"{"product_id": "1", "quantity": 1}"#;
    let order = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        ORDER.len()
    );
    match random.u8(..8) {
        0 | 1 => {
            // White space before a request is passed over, so that alone it is none.
            let junk = junk(random, 200, b"\r\n");
            [&junk, &b"\r\n\r\n"[..]].concat()
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
            let path = junk(random, 100, b"\r\n ");
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
                junk(random, 30, b"\r\n")
            };
            let value = junk(random, 100, b"\r\n");
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

/// Sends bytes, and returns the status of the answer; nothing if there was none.
async fn send(address: SocketAddr, request: &[u8]) -> Option<u16> {
    let mut connection = TcpStream::connect(address).await.ok()?;
    let (mut reader, mut writer) = connection.split();
    // The server may answer and stop reading before everything is sent.
    let write = async { drop(writer.write_all(request).await) };
    let read = async {
        let mut answer = Vec::new();
        while status(&answer).is_none() && reader.read_buf(&mut answer).await.ok()? > 0 {}
        status(&answer)
    };
    let answered = async { tokio::join!(write, read).1 };
    timeout(PATIENCE, answered).await.ok()?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_is_answered_and_never_blamed_on_the_server() {
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
                // Each request by its own number, so that one that goes wrong can be made again.
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
    println!("{requests} requests of junk, answered by status: {outcomes:?}");
    assert_eq!(bad, [], "answered with a 5xx, or not at all");
    let log = deployment.apis[0].log();
    assert!(!log.contains("panicked"), "{log}");
    let client = deployment.client(0);
    client.place("1", 1).await;
    client.all_settled().await;
    deployment.audit().await;
}
