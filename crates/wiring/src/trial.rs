//! What to try on an API that runs: for whoever has just started one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use settings::Settings;

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

/// An API that runs, as far as a command that calls it has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningApi {
    /// What its paths are appended to.
    pub url: String,
    /// Whether it asks for a key.
    pub asks_for_key: bool,
}

impl RunningApi {
    /// The API that these settings make, which listens on this address.
    #[must_use]
    pub fn new(settings: &Settings, address: SocketAddr) -> Self {
        let scheme = settings.api.tls.as_ref().map_or("http", |_| "https");
        Self {
            url: format!("{scheme}://{}", reachable(address)),
            asks_for_key: !settings.api_keys.is_empty(),
        }
    }

    /// Commands that read the stock, order three units of a product, and read the orders. A key is taken from the variable
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

    /// A command that orders three units of a product.
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
        if self.asks_for_key {
            r#" -H "Authorization: Bearer $API_KEY""#
        } else {
            ""
        }
    }
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
        let api = RunningApi {
            url: "http://h".to_owned(),
            asks_for_key: false,
        };
        let command = api.order_command(r#"it's "8" wide"#);
        let body = r#"'{"product_id":"it'\''s \"8\" wide","quantity":3}'"#;
        assert!(command.ends_with(body), "{command}");
    }

    #[test]
    fn a_command_shows_where_the_key_goes_and_which_scheme_is_spoken() {
        let api = RunningApi {
            url: "https://h".to_owned(),
            asks_for_key: true,
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
