//! Where the programs of these settings are reached, whether they are ready, and what to try on them.

use std::net::SocketAddr;
use std::time::Duration;

use settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wiring::trial::{self, reachable};

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

/// Where the API of the settings is.
pub(crate) fn api_url(settings: &Settings) -> String {
    let address = reachable(SocketAddr::new(settings.api.address, settings.api.port));
    format!("http://{address}")
}

/// A command that orders something.
pub(crate) fn example_order(api_url: &str) -> String {
    trial::order_command(api_url, "SKU-1")
}

/// What to try first.
pub(crate) fn greeting(api_url: &str) -> String {
    format!(
        "\nThe API is ready at {api_url}. Ctrl-C stops everything that was started with it. To try it:\n\n  {}\n",
        trial::commands(api_url, "1").join("\n  ")
    )
}
