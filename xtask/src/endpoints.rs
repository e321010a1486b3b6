//! Where the programs of these settings are reached, whether they are ready, and what to try on them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOOK_EVERY: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Returns once a server says that it can do its work.
pub(crate) async fn wait_until_ready(server: SocketAddr) {
    while !is_ready(reachable(server)).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn is_ready(server: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(server).await?;
        let request =
            format!("GET /readyz HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut status_line = [0; 12];
        stream.read_exact(&mut status_line).await?;
        Ok::<_, std::io::Error>(status_line.ends_with(b" 200"))
    };
    matches!(tokio::time::timeout(ANSWER_WITHIN, ask).await, Ok(Ok(true)))
}

/// Where to reach what listens on an address that may mean "all addresses".
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Where the API of the settings is.
pub(crate) fn api_url(settings: &Settings) -> String {
    let address = reachable(SocketAddr::new(settings.api.address, settings.api.port));
    format!("http://{address}")
}

/// A command that orders something, and waits for what becomes of the order.
pub(crate) fn example_order(api_url: &str) -> String {
    order_command(api_url, "SKU-1")
}

fn order_command(api_url: &str, product_id: &str) -> String {
    format!(
        "curl -sS {api_url}/api/v1/orders -H 'Content-Type: application/json' \
         -d '{{\"product_id\": \"{product_id}\", \"quantity\": 3}}'"
    )
}

/// What to try first.
pub(crate) fn greeting(api_url: &str) -> String {
    format!(
        "\nThe API is ready at {api_url}. Ctrl-C stops everything that was started with it. To try it:\n\n  \
         curl -sS {api_url}/api/v1/stock\n  {}\n  curl -sS '{api_url}/api/v1/orders?limit=10'\n",
        order_command(api_url, "1")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_are_reached_through_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:3000"), "127.0.0.1:3000");
        assert_eq!(reached("[::]:3000"), "[::1]:3000");
        assert_eq!(reached("10.1.2.3:3000"), "10.1.2.3:3000");
    }
}
