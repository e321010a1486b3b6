//! The mock vendors of a deployment and their settings.

use mock_vendor::MockVendor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Returns the settings of a vendor, as TOML. `more` contains further lines.
#[must_use]
pub fn vendor_settings(id: &str, url: &str, sync_interval: &str, more: &str) -> String {
    format!(
        "\n[[vendors]]\nid = \"{id}\"\nurl = \"{url}\"\nsync_interval = \"{sync_interval}\"\n{more}"
    )
}

/// Starts a server that sends this JSON body in every response, with the header lines of `headers`. Returns its URL.
pub async fn serve(body: String, headers: impl Fn() -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n")
                && connection.read_buf(&mut request).await.unwrap() > 0
            {}
            let (headers, length) = (headers(), body.len());
            let response = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\
                 {headers}\r\n{body}"
            );
            // The client may disconnect before the end.
            let _ = connection.write_all(response.as_bytes()).await;
        }
    });
    format!("http://{address}/")
}

/// Stock by vendor id.
pub(crate) type Stocks = Vec<(String, Vec<(String, i64)>)>;

/// Returns one element of [`Stocks`].
pub(crate) fn stock(id: &str, stock: &[(&str, i64)]) -> (String, Vec<(String, i64)>) {
    let stock = stock
        .iter()
        .map(|&(product, units)| (product.to_owned(), units));
    (id.to_owned(), stock.collect())
}

/// Starts the vendors. Returns them with `settings` plus the vendors' settings, as TOML. With `as_of`, each report has an
/// as-of, at `/as_of`, and the items are at `/items`.
pub(crate) fn start(
    stocks: &Stocks,
    sync_interval: &str,
    as_of: bool,
    settings: &str,
) -> (Vec<MockVendor>, String) {
    let mut config = settings.to_owned();
    let mut vendors = Vec::new();
    for (id, stock) in stocks {
        let vendor = MockVendor::start_local(stock.clone()).unwrap();
        let mut format = "";
        if as_of {
            vendor.set_as_of(Some("2000-01-01T00:00:00Z"));
            format = "[vendors.format]\nitems = \"/items\"\nas_of = \"/as_of\"\n";
        }
        config += &vendor_settings(id, &vendor.url(), sync_interval, format);
        vendors.push(vendor);
    }
    if !config.contains("[[vendors]]") {
        config.insert_str(0, "vendors = []\n");
    }
    (vendors, config)
}
