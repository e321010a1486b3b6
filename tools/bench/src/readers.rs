//! Event readers with minimal CPU cost: one thread polls all connections round-robin.

use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dev_env::endpoints;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::runtime::Handle;

/// Receive buffer of a reading connection, in bytes.
const RECEIVE_BUFFER: u32 = 256 * 1024;
/// Receive buffer of a stuck connection, in bytes.
const STUCK_RECEIVE_BUFFER: u32 = 4 * 1024;
/// Pause between two rounds through all readers.
const PAUSE: Duration = Duration::from_millis(50);
/// Delay before a reconnection: the stream's `retry` value.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Prefix of each event.
const EVENT: &str = "event: ";
/// End of a chunked response (RFC 9112, section 7.1). The connection stays open after it.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Connected event readers. They are disconnected on drop.
pub(super) struct Readers {
    server: SocketAddr,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
    stuck: Vec<TcpStream>,
}

/// Counters of the reading connections.
#[derive(Debug, Default)]
struct Counts {
    stop: AtomicBool,
    /// Connections that are open now.
    connected: AtomicU64,
    bytes: AtomicU64,
    /// Number of disconnections by the server.
    dropped: AtomicU64,
    /// Bytes and events of the sampled reader.
    sample_bytes: AtomicU64,
    sample_events: AtomicU64,
}

/// Totals read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    /// Events of all readers: counted on the sampled reader, extrapolated by bytes for the others.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Number of disconnections of readers by the server.
    pub(super) dropped: u64,
}

impl Readers {
    /// Connects `all` readers, of which `stuck` never read.
    pub(super) async fn connect(server: SocketAddr, all: u32, stuck: u32) -> Result<Self> {
        let mut reading = Vec::new();
        let mut stuck_streams = Vec::new();
        for number in 0..all {
            let (to, capacity) = if number < stuck {
                (&mut stuck_streams, STUCK_RECEIVE_BUFFER)
            } else {
                (&mut reading, RECEIVE_BUFFER)
            };
            let stream = connect(server, capacity).await.with_context(|| {
                format!("cannot connect reader {number} of {all}: each needs one open file here and one in the API (see ulimit -Hn)")
            })?;
            to.push(stream);
        }
        let counts = Arc::new(Counts::default());
        let read_loop = ReadLoop::new(server, reading, Arc::clone(&counts));
        let readers = Self {
            server,
            counts,
            thread: Some(std::thread::spawn(move || read_loop.run())),
            stuck: stuck_streams,
        };
        readers.wait_until_connected(all.into()).await?;
        Ok(readers)
    }

    async fn wait_until_connected(&self, all: u64) -> Result<()> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        loop {
            let connected = connected(self.server).await?;
            if connected == all {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!(
                    "only {connected} of {all} event readers are connected: see api.max_event_streams"
                );
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    pub(super) fn received(&self) -> Received {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let sample = (of(&counts.sample_events), of(&counts.sample_bytes));
        Received {
            events: extrapolate(of(&counts.bytes), sample),
            bytes: of(&counts.bytes),
            dropped: of(&counts.dropped),
        }
    }

    /// Waits until the service has closed all stuck connections, at most `time`. Returns the number of closed ones.
    pub(super) async fn closed_within(&self, time: Duration) -> Result<u64> {
        let deadline = Instant::now() + time;
        let stuck = self.stuck.len() as u64;
        loop {
            let reading = self.counts.connected.load(Ordering::Relaxed);
            let left = connected(self.server).await?.saturating_sub(reading);
            if left == 0 || Instant::now() > deadline {
                return Ok(stuck.saturating_sub(left));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Extrapolates the number of events in `bytes` from a sample.
fn extrapolate(bytes: u64, (sample_events, sample_bytes): (u64, u64)) -> u64 {
    let events = u128::from(bytes) * u128::from(sample_events) / u128::from(sample_bytes.max(1));
    u64::try_from(events).unwrap_or(u64::MAX)
}

/// Returns the number of event readers in the service's metrics.
async fn connected(server: SocketAddr) -> Result<u64> {
    let text = endpoints::get_text(&format!("{}/metrics", endpoints::http_url(server))).await?;
    parse_connected(&text)
}

fn parse_connected(metrics: &str) -> Result<u64> {
    // The second name is that of earlier versions.
    const NAMES: [&str; 2] = ["aggregator_event_streams ", "aggregator_event_readers "];
    let value = |line: &str| {
        let mut names = NAMES.iter();
        names.find_map(|name| Some(line.strip_prefix(name)?.parse()))
    };
    let count = metrics.lines().find_map(value);
    Ok(count.context("the metrics have no number of event readers")??)
}

async fn connect(server: SocketAddr, capacity: u32) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(capacity)?;
    let mut stream = socket.connect(server).await?;
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // The stream is already non-blocking.
    Ok(stream.into_std()?)
}

/// A reading connection.
enum Reader {
    Connected {
        stream: TcpStream,
        /// Last bytes that were read.
        tail: Tail,
    },
    /// Disconnected by the server at this instant.
    Disconnected(Instant),
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        Self::Connected {
            stream,
            tail: Tail::default(),
        }
    }
}

/// The last bytes of a response, to detect its end.
#[derive(Debug, Default)]
struct Tail([u8; LAST_CHUNK.len()]);

impl Tail {
    /// Appends bytes and returns whether the response ends with them.
    fn ends_with(&mut self, bytes: &[u8]) -> bool {
        let capacity = self.0.len();
        let new = &bytes[bytes.len().saturating_sub(capacity)..];
        self.0.rotate_left(new.len());
        self.0[capacity - new.len()..].copy_from_slice(new);
        self.0 == LAST_CHUNK
    }
}

/// Loop that reads from all connections.
struct ReadLoop {
    server: SocketAddr,
    runtime: Handle,
    readers: Vec<Reader>,
    counts: Arc<Counts>,
    buffer: Vec<u8>,
    /// Last characters of the sampled stream: they may be the start of an event.
    rest: String,
}

impl ReadLoop {
    fn new(server: SocketAddr, reading: Vec<TcpStream>, counts: Arc<Counts>) -> Self {
        Self {
            server,
            runtime: Handle::current(),
            readers: reading.into_iter().map(Reader::new).collect(),
            counts,
            buffer: vec![0; RECEIVE_BUFFER as usize * 2],
            rest: String::new(),
        }
    }

    fn run(mut self) {
        while !self.counts.stop.load(Ordering::Relaxed) {
            for index in 0..self.readers.len() {
                self.read(index);
            }
            let is_connected = |reader: &&Reader| matches!(reader, Reader::Connected { .. });
            let connected = self.readers.iter().filter(is_connected).count();
            self.counts
                .connected
                .store(connected as u64, Ordering::Relaxed);
            std::thread::sleep(PAUSE);
        }
    }

    fn read(&mut self, index: usize) {
        let reader = &mut self.readers[index];
        match reader {
            Reader::Connected { stream, tail } => match stream.read(&mut self.buffer) {
                Ok(0) => self.mark_disconnected(index),
                Ok(bytes) => {
                    let is_end = tail.ends_with(&self.buffer[..bytes]);
                    self.count(index, bytes);
                    if is_end {
                        self.mark_disconnected(index);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.mark_disconnected(index),
            },
            Reader::Disconnected(since) if since.elapsed() >= RECONNECT_DELAY => {
                // If the reconnection fails, try again after the same delay.
                *reader = match self.runtime.block_on(connect(self.server, RECEIVE_BUFFER)) {
                    Ok(stream) => Reader::new(stream),
                    Err(_) => Reader::Disconnected(Instant::now()),
                };
            }
            Reader::Disconnected(_) => {}
        }
    }

    fn mark_disconnected(&mut self, index: usize) {
        self.readers[index] = Reader::Disconnected(Instant::now());
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&mut self, index: usize, bytes: usize) {
        self.counts.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if index == 0 {
            self.rest
                .push_str(&String::from_utf8_lossy(&self.buffer[..bytes]));
            let events = take_events(&mut self.rest);
            self.counts
                .sample_events
                .fetch_add(events, Ordering::Relaxed);
            self.counts
                .sample_bytes
                .fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }
}

/// Counts the events that start in `text`, and keeps only the end that may be the start of another event.
fn take_events(text: &mut String) -> u64 {
    let events = text.matches(EVENT).count() as u64;
    let mut rest = text.len().saturating_sub(EVENT.len() - 1);
    while !text.is_char_boundary(rest) {
        rest += 1;
    }
    text.drain(..rest);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_split_over_two_reads_is_counted_once() {
        let stream =
            "retry: 2000\nid: 1-0\n\nevent: order\ndata: {}\n\nid: 2-0\nevent: stock\ndata: {}\n\n";
        for split in 0..stream.len() {
            let mut text = stream[..split].to_owned();
            let first = take_events(&mut text);
            text.push_str(&stream[split..]);
            assert_eq!(first + take_events(&mut text), 2, "{split}");
        }
    }

    #[test]
    fn end_of_a_response_is_detected_for_any_split() {
        let response = b"6\r\nabcdef\r\n0\r\n\r\n";
        for size in 1..response.len() {
            let mut tail = Tail::default();
            let pieces = response.chunks(size);
            let ends: Vec<bool> = pieces.map(|piece| tail.ends_with(piece)).collect();
            assert_eq!(ends.last(), Some(&true), "{size}");
        }
        assert!(!Tail::default().ends_with(b"data: 0\r\n"));
    }

    #[test]
    fn number_of_readers_has_an_earlier_name() {
        for name in ["aggregator_event_streams", "aggregator_event_readers"] {
            let metrics = format!("# HELP {name} n\n{name}_dropped_total 9\n{name} 7\n");
            assert_eq!(parse_connected(&metrics).unwrap(), 7);
        }
        assert!(parse_connected("up 1\n").is_err());
    }

    #[test]
    fn events_are_extrapolated_from_the_sample() {
        assert_eq!(extrapolate(4_000, (3, 300)), 40);
        assert_eq!(extrapolate(0, (0, 0)), 0);
    }
}
