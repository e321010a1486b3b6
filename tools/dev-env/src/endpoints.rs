//! Addresses and readiness of the programs of these settings, and example commands.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Result;
use settings::Settings;
use wiring::trial::{RunningApi, reachable};

const POLL_INTERVAL: Duration = Duration::from_millis(200);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits until the server at this URL is ready.
///
/// # Errors
/// The HTTP client cannot be built.
pub async fn wait_until_ready(url: &str) -> Result<()> {
    let client = client()?;
    let page = format!("{url}/readyz");
    loop {
        let response = client.get(&page).send().await;
        if response.is_ok_and(|response| response.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Returns a page as text.
///
/// # Errors
/// The response is not received, or its status is not 2xx.
pub async fn get_text(url: &str) -> Result<String> {
    let response = client()?.get(url).send().await?.error_for_status()?;
    Ok(response.text().await?)
}

/// Returns an HTTP client for the programs that this program starts.
///
/// # Errors
/// The HTTP client cannot be built.
pub fn client() -> Result<reqwest::Client> {
    // The HTTP client requires a crypto provider even for plain HTTP; a second installation fails and is ignored.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .timeout(RESPONSE_TIMEOUT)
        .no_proxy()
        // The server was started by this program and is called by its address, which its certificate need not contain.
        .tls_danger_accept_invalid_certs(true)
        .build()?)
}

/// Returns the URL of a plain HTTP server.
#[must_use]
pub fn http_url(server: SocketAddr) -> String {
    format!("http://{}", reachable(server))
}

/// Returns an address that was free when it was checked.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Returns the API of the settings.
#[must_use]
pub fn api(settings: &Settings) -> RunningApi {
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    RunningApi::new(settings, address)
}

/// Returns the ready message with example commands.
#[must_use]
pub fn ready_message(api: &RunningApi) -> String {
    format!(
        "\nThe API is ready at {}. Press Ctrl-C to stop all programs. To try it:\n\n  {}\n",
        api.url,
        api.commands("1").join("\n  ")
    )
}
