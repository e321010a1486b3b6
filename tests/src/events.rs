//! A client of server-sent events.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

/// Maximum wait for an event.
const TIMEOUT: Duration = Duration::from_secs(25);

/// A stream of events.
pub struct Events {
    response: Response,
    buffer: Vec<u8>,
    last_id: String,
}

impl Events {
    pub(crate) fn new(response: Response) -> Self {
        Self {
            response,
            buffer: Vec::new(),
            last_id: String::new(),
        }
    }

    /// Returns the id of the last event, to resume after a disconnection.
    #[must_use]
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Returns the name and data of the next event, or `None` once the stream has ended or failed.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.buffer.windows(2).position(|it| it == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let (mut name, mut data) = (None, None);
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => id.clone_into(&mut self.last_id),
                        Some(("event", event)) => name = Some(event.to_owned()),
                        Some(("data", json)) => data = Some(serde_json::from_str(json).unwrap()),
                        _ => {}
                    }
                }
                if let Some(event) = name.zip(data) {
                    return Some(event);
                }
            }
            let chunk = timeout(TIMEOUT, self.response.chunk()).await;
            match chunk.expect("no event received in time") {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Reads until an event with this name matches the predicate, and returns its data.
    pub async fn find(&mut self, name: &str, predicate: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (found, data) = self.next().await.expect("the stream ended");
            if found == name && predicate(&data) {
                return data;
            }
        }
    }
}
