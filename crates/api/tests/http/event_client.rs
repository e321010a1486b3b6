//! A subscriber of server-sent events, parsed as in section 9.2.6 of WHATWG HTML, on its own connection.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::fixture::{TestServer, bytes};

const TIMEOUT: Duration = Duration::from_secs(20);

/// An event with the last event id at that point of the stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: Value,
    pub(crate) last_id: String,
}

pub(crate) struct EventSubscriber {
    connection: TcpStream,
    /// Received bytes that are still chunked.
    raw: Vec<u8>,
    /// Bytes of the body that were not parsed.
    body: Vec<u8>,
    pub(crate) head: String,
    pub(crate) last_id: String,
    ended: bool,
}

impl EventSubscriber {
    /// Connects and reads the response head and the first block.
    pub(crate) async fn connect(server: &TestServer, head: &str) -> Self {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        let request = bytes("GET", "/api/v1/events", head, b"");
        connection.write_all(&request).await.unwrap();
        let mut subscriber = Self {
            connection,
            raw: Vec::new(),
            body: Vec::new(),
            head: String::new(),
            last_id: String::new(),
            ended: false,
        };
        let end = loop {
            let end = subscriber
                .raw
                .windows(4)
                .position(|window| window == b"\r\n\r\n");
            match end {
                Some(end) => break end + 4,
                None => subscriber.read_some().await,
            }
        };
        let head: Vec<u8> = subscriber.raw.drain(..end).collect();
        subscriber.head = String::from_utf8(head).unwrap();
        assert!(
            subscriber.head.starts_with("HTTP/1.1 200 OK"),
            "{}",
            subscriber.head
        );
        let opening = subscriber.block().await.unwrap();
        let id = opening.strip_prefix("retry: 2000\nid: ").unwrap();
        id.clone_into(&mut subscriber.last_id);
        subscriber
    }

    /// Connects and resumes after the event with this id.
    pub(crate) async fn resume(server: &TestServer, last_id: &str) -> Self {
        Self::connect(server, &format!("Last-Event-ID: {last_id}\r\n")).await
    }

    async fn read_some(&mut self) {
        let read = tokio::time::timeout(TIMEOUT, self.connection.read_buf(&mut self.raw)).await;
        let bytes = read.expect("no bytes in time").unwrap();
        assert!(bytes > 0, "the connection was closed");
    }

    /// Moves complete chunks into the body.
    fn unchunk(&mut self) {
        while let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") {
            let size = std::str::from_utf8(&self.raw[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let end = line + 2 + size + 2;
            if self.raw.len() < end {
                return;
            }
            self.body.extend_from_slice(&self.raw[line + 2..end - 2]);
            self.raw.drain(..end);
            if size == 0 {
                assert!(self.raw.is_empty());
                self.ended = true;
                return;
            }
        }
    }

    /// Returns the lines up to the next empty one; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            self.unchunk();
            if let Some(end) = self.body.windows(2).position(|window| window == b"\n\n") {
                let block: Vec<u8> = self.body.drain(..end + 2).collect();
                return Some(String::from_utf8(block[..end].to_vec()).unwrap());
            }
            if self.ended {
                assert!(self.body.is_empty());
                return None;
            }
            self.read_some().await;
        }
    }

    /// Returns the next event; `None` at the end of the stream.
    pub(crate) async fn try_next(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let (mut name, mut data) = (None, None);
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => id.clone_into(&mut self.last_id),
                    Some(("event", event)) => name = Some(event.to_owned()),
                    Some(("data", json)) => {
                        assert!(data.is_none(), "data has several lines");
                        data = Some(serde_json::from_str(json).unwrap());
                    }
                    _ => assert_eq!(line, ":", "{block}"),
                }
            }
            if let (Some(name), Some(data)) = (name, data) {
                let last_id = self.last_id.clone();
                return Some(Event {
                    name,
                    data,
                    last_id,
                });
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        // Heartbeats are skipped and do not extend the timeout.
        let next = tokio::time::timeout(TIMEOUT, self.try_next()).await;
        next.expect("no event in time")
            .expect("the stream has ended")
    }

    /// Returns the next events, each as its name and the id of its order or product.
    pub(crate) async fn next_ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let event = self.next().await;
            let id = match event.name.as_str() {
                "order" => event.data["id"].to_string(),
                "stock" => event.data["product_id"].as_str().unwrap().to_owned(),
                other => panic!("{other}: {}", event.data),
            };
            ids.push(format!("{} {id}", event.name));
        }
        ids
    }

    /// Asserts that no event arrives within `duration`.
    pub(crate) async fn assert_no_event(&mut self, duration: Duration) {
        let event = tokio::time::timeout(duration, self.try_next()).await;
        assert!(event.is_err(), "{event:?}");
    }
}
