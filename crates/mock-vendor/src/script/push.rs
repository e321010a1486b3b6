//! Scripted vendors that send their reports to the API.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Client;
use tokio::time::MissedTickBehavior;

use super::fault::Fault;
use super::plan::Plan;

/// Time in which a report must be sent and applied.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Where reports are sent, and how often.
#[derive(Debug)]
pub(super) struct PushVendor {
    /// `http://…/api/v1/vendors/{vendor_id}/reports`.
    pub(super) url: String,
    /// The API key.
    pub(super) token: Option<String>,
    /// Time from one report to the next.
    pub(super) interval: Duration,
}

/// Sends a report at each interval, until it is cancelled. `sent` counts those that were received, also if they were refused.
pub(super) async fn run(
    name: String,
    vendor: PushVendor,
    plan: Plan,
    sent: Arc<AtomicU64>,
) -> io::Error {
    let client = match client() {
        Ok(client) => client,
        Err(error) => return io::Error::other(error),
    };
    let mut ticks = tokio::time::interval(vendor.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match push(&client, &vendor, &plan, sent.load(Ordering::SeqCst)).await {
            Ok(Response { status, body }) => {
                if !(200..300).contains(&status) {
                    print(&name, &format!("{status} {}", body.trim()));
                }
                if status < 500 {
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            }
            Err(error) => print(&name, &error),
        }
    }
}

struct Response {
    status: u16,
    body: String,
}

/// Prints why a report was not applied. The vendor continues if standard error is closed.
fn print(name: &str, problem: &dyn Display) {
    let _ = writeln!(
        io::stderr(),
        "{name}: the report was not applied: {problem}"
    );
}

fn client() -> reqwest::Result<Client> {
    // Fails if a provider is already installed, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
}

async fn push(
    client: &Client,
    vendor: &PushVendor,
    plan: &Plan,
    number: u64,
) -> Result<Response, String> {
    let situation = plan.at(number);
    let mut bytes = plan.document(situation, Timestamp::now(), None)?;
    if matches!(situation.fault, Some(Fault::Truncate {})) {
        bytes.truncate(bytes.len() / 2);
    }
    let mut request = client.post(&vendor.url).body(bytes);
    if let Some(token) = &vendor.token {
        request = request.bearer_auth(token);
    }
    if let Some(coding) = situation.compression.content_encoding() {
        request = request.header("Content-Encoding", coding);
    }
    for (name, value) in &situation.headers {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|error| describe(&error))?;
    Ok(Response {
        status: response.status().as_u16(),
        body: response.text().await.map_err(|error| describe(&error))?,
    })
}

/// Describes an error with its causes.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
