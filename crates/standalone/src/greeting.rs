//! What a user reads once everything is ready.

use std::net::SocketAddr;
use std::path::Path;

use wiring::trial;

/// Where things are, and what to try. `product_id` is one to order.
pub(crate) fn text(api: SocketAddr, data: &Path, product_id: &str) -> String {
    let url = format!("http://{}", trial::reachable(api));
    format!(
        "\nThe order aggregator is ready. Ctrl-C ends it; the data stays.\n\n  \
         API   {url}\n  docs  {url}/docs\n  data  {}\n\nTo try it:\n\n  {}\n",
        data.display(),
        trial::commands(&url, product_id).join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_what_a_user_needs() {
        let text = text(
            "0.0.0.0:3000".parse().unwrap(),
            Path::new("/data/shop.db"),
            "SKU-1",
        );
        for part in [
            "API   http://127.0.0.1:3000\n",
            "docs  http://127.0.0.1:3000/docs\n",
            "data  /data/shop.db\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(text.matches("  curl ").count(), 3, "{text}");
        assert!(text.contains(r#""product_id":"SKU-1""#), "{text}");
    }
}
