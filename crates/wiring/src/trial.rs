//! Example commands for an API that has just been started.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use settings::Settings;

/// Returns the address to connect to for a listen address: loopback if the listen address is unspecified.
#[must_use]
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The properties of a running API that commands depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningApi {
    /// Base URL, without a trailing slash.
    pub url: String,
    /// Whether the API requires a key.
    pub requires_key: bool,
}

impl RunningApi {
    /// The API with these settings that listens on this address.
    #[must_use]
    pub fn new(settings: &Settings, address: SocketAddr) -> Self {
        let scheme = settings.api.tls.as_ref().map_or("http", |_| "https");
        Self {
            url: format!("{scheme}://{}", reachable(address)),
            requires_key: !settings.api_keys.is_empty(),
        }
    }

    /// Commands that list the stock, order three units of a product, and list the orders. The key is in the variable
    /// `API_KEY`.
    #[must_use]
    pub fn commands(&self, product_id: &str) -> [String; 3] {
        let Self { url, .. } = self;
        let key = self.key_option();
        [
            format!("curl -sS{key} {url}/api/v1/stock"),
            self.order_command(product_id),
            format!("curl -sS{key} '{url}/api/v1/orders?limit=10'"),
        ]
    }

    /// The command that orders three units of a product.
    #[must_use]
    pub fn order_command(&self, product_id: &str) -> String {
        let body = serde_json::json!({"product_id": product_id, "quantity": 3}).to_string();
        format!(
            "curl -sS{} {}/api/v1/order -H 'Content-Type: application/json' -d {}",
            self.key_option(),
            self.url,
            quoted(&body)
        )
    }

    fn key_option(&self) -> &'static str {
        if self.requires_key {
            r#" -H "Authorization: Bearer $API_KEY""#
        } else {
            ""
        }
    }
}

/// Quotes a string as one shell word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unspecified_address_is_reached_through_loopback() {
        let reached = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(reached("0.0.0.0:3000"), "127.0.0.1:3000");
        assert_eq!(reached("[::]:3000"), "[::1]:3000");
        assert_eq!(reached("10.1.2.3:3000"), "10.1.2.3:3000");
    }

    #[test]
    fn product_id_is_quoted_for_the_shell() {
        let api = RunningApi {
            url: "http://h".to_owned(),
            requires_key: false,
        };
        let command = api.order_command(r#"it's "8" wide"#);
        let body = r#"'{"product_id":"it'\''s \"8\" wide","quantity":3}'"#;
        assert!(command.ends_with(body), "{command}");
    }

    #[test]
    fn commands_contain_the_key_and_the_scheme() {
        let api = RunningApi {
            url: "https://h".to_owned(),
            requires_key: true,
        };
        for command in api.commands("SKU-1") {
            let start = r#"curl -sS -H "Authorization: Bearer $API_KEY" "#;
            assert!(command.starts_with(start), "{command}");
        }
        let settings = Settings::load(None).unwrap();
        let api = RunningApi::new(&settings, "0.0.0.0:3000".parse().unwrap());
        assert_eq!(api.url, "http://127.0.0.1:3000");
        assert_eq!(
            api.commands("1")[0],
            "curl -sS http://127.0.0.1:3000/api/v1/stock"
        );
    }
}
