//! The option `--health`: asks a running program for its readiness. Images without a shell use it as their health check.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::Client;
use reqwest::header::HOST;

use crate::trial::reachable;

/// Timeout of the request.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Arguments of every program that serves `/readyz`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct HealthArgs {
    /// Check whether the program that runs with these settings is ready, and exit with 0 if it is.
    #[arg(long)]
    pub health: bool,
}

/// Requests `/readyz` of the program that listens on this address of this machine.
///
/// # Errors
/// The program does not respond in time, or is not ready.
pub async fn check(address: SocketAddr, has_tls: bool) -> anyhow::Result<()> {
    // Fails if a provider is already installed, which is then used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let scheme = if has_tls { "https" } else { "http" };
    let url = format!("{scheme}://{}/readyz", reachable(address));
    let client = Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        // The certificate names the host by which clients connect, not this address. The connection stays on this machine, and
        // no secret is sent.
        .tls_certs_only([])
        .tls_danger_accept_invalid_certs(true)
        .build()?;
    // A loopback name is allowed, whatever the setting api.allowed_hosts is.
    let request = client.get(&url).header(HOST, "localhost");
    let response = request.send().await;
    let response = response.with_context(|| format!("{url} does not respond"))?;
    let status = response.status();
    if !status.is_success() {
        let body = response.text().await.unwrap_or_default();
        bail!("not ready: {status}: {body}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Serves one response, and returns the address and the thread, which returns the request.
    fn serve(response: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(response.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (address, thread)
    }

    #[tokio::test]
    async fn ready_program_is_healthy_whatever_hosts_it_allows() {
        let (address, served) = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        check(address, false).await.unwrap();
        let request = served.join().unwrap().to_ascii_lowercase();
        assert!(request.starts_with("get /readyz "), "{request}");
        assert!(request.contains("\r\nhost: localhost\r\n"), "{request}");
    }

    #[tokio::test]
    async fn error_contains_the_status_and_the_reason_of_a_program_that_is_not_ready() {
        let (address, _served) =
            serve("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\n\r\ndb: down");
        let error = check(address, false).await.unwrap_err().to_string();
        assert_eq!(error, "not ready: 503 Service Unavailable: db: down");
    }

    #[tokio::test]
    async fn error_names_the_address_of_a_program_that_does_not_run() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let error = check(address, false).await.unwrap_err().to_string();
        assert_eq!(error, format!("http://{address}/readyz does not respond"));
    }
}
