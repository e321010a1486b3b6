//! What to try on an API that runs: for whoever has just started one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where to reach what listens on an address that may mean "all addresses".
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Commands that read the stock, order three units of a product, and read the orders.
#[must_use]
pub fn commands(api_url: &str, product_id: &str) -> [String; 3] {
    [
        format!("curl -sS {api_url}/api/v1/stock"),
        order_command(api_url, product_id),
        format!("curl -sS '{api_url}/api/v1/orders?limit=10'"),
    ]
}

/// A command that orders three units of a product.
#[must_use]
pub fn order_command(api_url: &str, product_id: &str) -> String {
    let body = serde_json::json!({"product_id": product_id, "quantity": 3}).to_string();
    format!(
        "curl -sS {api_url}/api/v1/order -H 'Content-Type: application/json' -d {}",
        quoted(&body)
    )
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
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

    #[test]
    fn a_command_bears_any_product() {
        let command = order_command("http://h", r#"it's "8" wide"#);
        let body = r#"'{"product_id":"it'\''s \"8\" wide","quantity":3}'"#;
        assert!(command.ends_with(body), "{command}");
    }
}
