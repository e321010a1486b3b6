//! A reader of server-sent events.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::timeout;

/// Longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(25);

/// A stream of events.
pub struct Events {
    answer: Response,
    waiting: Vec<u8>,
    last_id: String,
}

impl Events {
    pub(crate) fn new(answer: Response) -> Self {
        Self {
            answer,
            waiting: Vec::new(),
            last_id: String::new(),
        }
    }

    /// Where to go on after a disconnection.
    #[must_use]
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// The next event, with its name; none if the stream has ended, however it did.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.waiting.windows(2).position(|it| it == b"\n\n") {
                let block: Vec<u8> = self.waiting.drain(..end + 2).collect();
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
            let chunk = timeout(PATIENCE, self.answer.chunk()).await;
            match chunk.expect("no event comes") {
                Ok(Some(chunk)) => self.waiting.extend_from_slice(&chunk),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Reads until an event of that name is told for which this is true.
    pub async fn find(&mut self, name: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (found, data) = self.next().await.expect("the stream has ended");
            if found == name && is_it(&data) {
                return data;
            }
        }
    }
}
