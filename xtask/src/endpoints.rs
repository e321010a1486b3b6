//! Where the programs of these settings are reached, whether they are ready, and what to try on them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Result;
use settings::Settings;
use wiring::trial::{RunningApi, reachable};

const LOOK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Returns once the server at this URL says that it can do its work.
///
/// # Errors
/// If nobody can be asked at all.
pub(crate) async fn wait_until_ready(url: &str) -> Result<()> {
    // The HTTP client wants one even for plain HTTP; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .no_proxy()
        // The server was started here, and is asked by its address: its certificate is for those who know it by name.
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    let page = format!("{url}/readyz");
    loop {
        let answer = client.get(&page).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where a server that speaks plain HTTP is reached.
pub(crate) fn http_url(server: SocketAddr) -> String {
    format!("http://{}", reachable(server))
}

/// An address that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The API of the settings.
pub(crate) fn api(settings: &Settings) -> RunningApi {
    let address = SocketAddr::new(settings.api.address, settings.api.port);
    RunningApi::new(settings, address)
}

/// What to try first.
pub(crate) fn greeting(api: &RunningApi) -> String {
    format!(
        "\nThe API is ready at {}. Ctrl-C stops everything that was started with it. To try it:\n\n  {}\n",
        api.url,
        api.commands("1").join("\n  ")
    )
}
