//! TCP connections to the servers of remote sources, and the paths of files there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::time::timeout;
use url::Host;

use super::address::AddressRules;
use super::directory::{Failure, FilePattern, reason};

/// A server, and the addresses that it may have.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Name or address.
    pub(super) host: String,
    pub(super) port: u16,
    addresses: AddressRules,
    /// Longest time to connect.
    limit: Duration,
}

impl Server {
    /// `allowed` are networks in which the server may have an address although it is not public.
    pub(super) fn new(host: &str, port: u16, allowed: &[IpNet], limit: Duration) -> Self {
        let named = Host::parse(host).ok();
        let host = match &named {
            // In lower case.
            Some(Host::Domain(name)) => name,
            _ => host,
        };
        Self {
            host: host.to_owned(),
            port,
            addresses: AddressRules::new(allowed, named.as_slice()),
            limit,
        }
    }

    /// Connects with `connect` to the addresses of the server.
    pub(super) async fn connect<T, E: Into<Failure>>(
        &self,
        connect: impl AsyncFnOnce(&[SocketAddr]) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let connected = timeout(self.limit, async {
            let addresses = self
                .resolve()
                .await
                .map_err(|error| self.failed(&reason(error)))?;
            connect(&addresses).await.map_err(Into::into)
        });
        let limit = self.limit;
        let connected = connected.await;
        connected.unwrap_or_else(|_| Err(self.failed(&format!("no response within {limit:?}"))))
    }

    /// Connects to the first address that accepts the connection.
    pub(super) async fn open(&self) -> Result<TcpStream, Failure> {
        let open = async |addresses: &[SocketAddr]| {
            let stream = TcpStream::connect(addresses).await;
            stream.map_err(|error| self.failed(&reason(error)))
        };
        self.connect(open).await
    }

    /// The addresses of the server that may be connected to.
    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let mut addresses = self.addresses.resolve(&self.host).await?;
        for address in &mut addresses {
            address.set_port(self.port);
        }
        Ok(addresses)
    }

    fn failed(&self, reason: &str) -> Failure {
        let Self { host, port, .. } = self;
        Failure::transient(format!("cannot connect to {host}, port {port}: {reason}"))
    }
}

/// Splits the path of a file into its directory and its name. The directory of the login is `.`.
pub(super) fn split(path: &str) -> (String, FilePattern) {
    let (directory, name) = match path.rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => (".", path),
    };
    (directory.to_owned(), FilePattern::new(path, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn name_of_a_server_must_have_a_public_address_or_be_allowed() {
        let limit = Duration::from_secs(5);
        let loopback: [IpNet; 2] = ["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        let named = |host: &str| Server::new(host, 1, &[], limit);
        // As a name that the settings do not state has it.
        let with_rules = |addresses: AddressRules| Server {
            addresses,
            ..named("localhost")
        };
        for (server, is_refused) in [
            (with_rules(AddressRules::default()), true),
            (with_rules(AddressRules::new(&loopback, &[])), false),
            (named("LocalHost"), false),
            (named("127.0.0.1"), false),
            (named("[::1]"), false),
        ] {
            let problem = server.open().await.unwrap_err().error.to_string();
            let is_named = problem.contains("(source.allow_addresses does not name it)");
            assert_eq!(is_named, is_refused, "{}: {problem}", server.host);
        }
    }

    #[test]
    fn path_is_split_at_its_last_slash() {
        for (path, directory, name) in [
            ("/out/stock_*.csv", "/out", "stock_*.csv"),
            ("/stock.csv", "/", "stock.csv"),
            ("out/daily/stock.csv", "out/daily", "stock.csv"),
            ("stock.csv", ".", "stock.csv"),
        ] {
            let (found, file) = split(path);
            assert_eq!((found.as_str(), file.name()), (directory, name));
            assert_eq!(file.shown(), path);
        }
    }
}
