//! Readers of events, for as little work as may be: one thread takes what has come for each of them, in turn.

use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::runtime::Handle;

use super::page;

/// What a reader that reads has room for; and what one that is stuck has.
const ROOM: u32 = 256 * 1024;
const LITTLE_ROOM: u32 = 4 * 1024;
/// Between two rounds through all readers.
const PAUSE: Duration = Duration::from_millis(50);
/// As the stream tells its readers.
const COME_BACK_AFTER: Duration = Duration::from_secs(2);
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What each event begins with.
const EVENT: &str = "event: ";
/// What an answer in chunks ends with (RFC 9112, section 7.1); its connection stays open.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Readers that are connected until this is dropped.
pub(super) struct Readers {
    server: SocketAddr,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
    stuck: Vec<TcpStream>,
}

/// What the readers that read have come to.
#[derive(Debug, Default)]
struct Counts {
    stop: AtomicBool,
    /// Those that are connected now.
    connected: AtomicU64,
    bytes: AtomicU64,
    /// Times that one was sent away.
    dropped: AtomicU64,
    /// What one of them has read.
    sample_bytes: AtomicU64,
    sample_events: AtomicU64,
}

/// What was read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Received {
    /// Of all readers: counted on one of them, and by bytes for the others.
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Times that a reader was sent away.
    pub(super) dropped: u64,
}

impl Readers {
    /// Connects all of them; `stuck` of them will never read.
    pub(super) async fn connect(server: SocketAddr, all: u32, stuck: u32) -> Result<Self> {
        let mut reading = Vec::new();
        let mut deaf = Vec::new();
        for number in 0..all {
            let (to, room) = if number < stuck {
                (&mut deaf, LITTLE_ROOM)
            } else {
                (&mut reading, ROOM)
            };
            let stream = connect(server, room).await.with_context(|| {
                format!("cannot connect reader {number} of {all}: each takes one open file here and one in the API (see ulimit -Hn)")
            })?;
            to.push(stream);
        }
        let counts = Arc::new(Counts::default());
        let sweep = Sweep::new(server, reading, Arc::clone(&counts));
        let readers = Self {
            server,
            counts,
            thread: Some(std::thread::spawn(move || sweep.run())),
            stuck: deaf,
        };
        readers.until_connected(all.into()).await?;
        Ok(readers)
    }

    async fn until_connected(&self, all: u64) -> Result<()> {
        let give_up = Instant::now() + CONNECTED_WITHIN;
        loop {
            let connected = connected(self.server).await?;
            if connected == all {
                return Ok(());
            }
            if Instant::now() > give_up {
                bail!(
                    "{connected} of {all} readers of events are connected: see api.max_event_streams"
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn received(&self) -> Received {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let sample = (of(&counts.sample_events), of(&counts.sample_bytes));
        Received {
            events: in_proportion(of(&counts.bytes), sample),
            bytes: of(&counts.bytes),
            dropped: of(&counts.dropped),
        }
    }

    /// How many stuck readers the service has cut off, all of them or those within this time.
    pub(super) async fn cut_within(&self, time: Duration) -> Result<u64> {
        let give_up = Instant::now() + time;
        let stuck = self.stuck.len() as u64;
        loop {
            let reading = self.counts.connected.load(Ordering::Relaxed);
            let left = connected(self.server).await?.saturating_sub(reading);
            if left == 0 || Instant::now() > give_up {
                return Ok(stuck.saturating_sub(left));
            }
            tokio::time::sleep(LOOK_EVERY).await;
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

/// Events in so many bytes, if a sample is like the whole.
fn in_proportion(bytes: u64, (sample_events, sample_bytes): (u64, u64)) -> u64 {
    let events = u128::from(bytes) * u128::from(sample_events) / u128::from(sample_bytes.max(1));
    u64::try_from(events).unwrap_or(u64::MAX)
}

/// How many readers the service counts.
async fn connected(server: SocketAddr) -> Result<u64> {
    let text = page::get_text(server, "/metrics").await?;
    let count = text
        .lines()
        .find_map(|line| line.strip_prefix("aggregator_event_readers "))
        .context("the metrics do not tell how many readers of events there are")?;
    Ok(count.parse()?)
}

async fn connect(server: SocketAddr, room: u32) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(room)?;
    let mut stream = socket.connect(server).await?;
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {server}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // Does not block as it is.
    Ok(stream.into_std()?)
}

/// One that reads.
enum Reader {
    Connected {
        stream: TcpStream,
        /// The end of what it has read.
        tail: Tail,
    },
    /// It was sent away then.
    Away(Instant),
}

impl Reader {
    fn new(stream: TcpStream) -> Self {
        Self::Connected {
            stream,
            tail: Tail::default(),
        }
    }
}

/// As much of the end of an answer as tells whether it was the end.
#[derive(Debug, Default)]
struct Tail([u8; LAST_CHUNK.len()]);

impl Tail {
    /// Whether the answer ends with these bytes.
    fn ends_with(&mut self, bytes: &[u8]) -> bool {
        let room = self.0.len();
        let new = &bytes[bytes.len().saturating_sub(room)..];
        self.0.rotate_left(new.len());
        self.0[room - new.len()..].copy_from_slice(new);
        self.0 == LAST_CHUNK
    }
}

/// Reads for all of them.
struct Sweep {
    server: SocketAddr,
    runtime: Handle,
    readers: Vec<Reader>,
    counts: Arc<Counts>,
    buffer: Vec<u8>,
    /// The end of what the sample has read: an event may begin in it.
    rest: String,
}

impl Sweep {
    fn new(server: SocketAddr, reading: Vec<TcpStream>, counts: Arc<Counts>) -> Self {
        Self {
            server,
            runtime: Handle::current(),
            readers: reading.into_iter().map(Reader::new).collect(),
            counts,
            buffer: vec![0; ROOM as usize * 2],
            rest: String::new(),
        }
    }

    fn run(mut self) {
        while !self.counts.stop.load(Ordering::Relaxed) {
            for index in 0..self.readers.len() {
                self.read(index);
            }
            let is_connected = |it: &&Reader| matches!(it, Reader::Connected { .. });
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
                Ok(0) => self.send_away(index),
                Ok(bytes) => {
                    let is_end = tail.ends_with(&self.buffer[..bytes]);
                    self.count(index, bytes);
                    if is_end {
                        self.send_away(index);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.send_away(index),
            },
            Reader::Away(since) if since.elapsed() >= COME_BACK_AFTER => {
                // One that cannot come back now tries again later.
                *reader = match self.runtime.block_on(connect(self.server, ROOM)) {
                    Ok(stream) => Reader::new(stream),
                    Err(_) => Reader::Away(Instant::now()),
                };
            }
            Reader::Away(_) => {}
        }
    }

    fn send_away(&mut self, index: usize) {
        self.readers[index] = Reader::Away(Instant::now());
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

/// Counts the events that begin in a text, and leaves of it what the next may begin with.
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
    fn an_event_that_comes_in_two_pieces_is_one() {
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
    fn the_end_of_an_answer_is_seen_in_however_many_pieces_it_comes() {
        let answer = b"6\r\nabcdef\r\n0\r\n\r\n";
        for size in 1..answer.len() {
            let mut tail = Tail::default();
            let pieces = answer.chunks(size);
            let ends: Vec<bool> = pieces.map(|piece| tail.ends_with(piece)).collect();
            assert_eq!(ends.last(), Some(&true), "{size}");
        }
        assert!(!Tail::default().ends_with(b"data: 0\r\n"));
    }

    #[test]
    fn what_one_reads_tells_of_all() {
        assert_eq!(in_proportion(4_000, (3, 300)), 40);
        assert_eq!(in_proportion(0, (0, 0)), 0);
    }
}
