//! TCP connections to the servers of remote sources, and the paths of files there.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::directory::{Failure, FilePattern, reason};

/// Connects to the first address of a host that accepts the connection.
pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, Failure> {
    let failed = |reason: String| {
        Failure::transient(format!("cannot connect to {host}, port {port}: {reason}"))
    };
    match timeout(limit, TcpStream::connect((host, port))).await {
        Ok(stream) => stream.map_err(|error| failed(reason(error))),
        Err(_) => Err(failed(format!("no response within {limit:?}"))),
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
