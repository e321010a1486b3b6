//! Probes PostgreSQL with a complete login, not only a TCP connection.

use std::error::Error as _;

use settings::DatabaseSettings;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, NoTls};

use super::{Probe, RESPONSE_TIMEOUT, connect};
use crate::connection;

/// Logs in to the database in the settings. A missing database is ready, too: the server reports it only after a successful
/// login.
pub(super) fn probe(database: &DatabaseSettings) -> Probe {
    // The driver does not distinguish a failed connection from a later error, so connect separately first.
    if let Err(error) = connect(&database.host, database.port) {
        return Probe::Unreachable(error.to_string());
    }
    let options = connection::pg_options(database);
    let mut config = options.login();
    config.application_name("dev-env");
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Probe::NotReady(error.to_string()),
    };
    let login = async {
        match storage_postgres::open_stream(&options).await {
            Ok(stream) => match config.connect_raw(stream, NoTls).await {
                Ok(_) => Probe::Ready,
                Err(error) => classify(&error),
            },
            Err(error) if error.is_permanent() => Probe::Refused(error.to_string()),
            Err(error) => Probe::NotReady(error.to_string()),
        }
    };
    match runtime.block_on(async { tokio::time::timeout(RESPONSE_TIMEOUT, login).await }) {
        Ok(result) => result,
        Err(_) => Probe::NotReady(format!(
            "no response within {} s",
            RESPONSE_TIMEOUT.as_secs()
        )),
    }
}

fn classify(error: &Error) -> Probe {
    if let Some(response) = error.as_db_error() {
        let text = response.message().to_owned();
        return match response.code() {
            &SqlState::INVALID_CATALOG_NAME => Probe::Ready,
            &SqlState::CANNOT_CONNECT_NOW | &SqlState::TOO_MANY_CONNECTIONS => {
                Probe::NotReady(text)
            }
            _ => Probe::Refused(text),
        };
    }
    let Some(cause) = error.source() else {
        return Probe::NotReady(error.to_string());
    };
    if cause.is::<std::io::Error>() {
        return Probe::NotReady(format!(
            "the program that listens there does not speak the PostgreSQL protocol ({cause})"
        ));
    }
    // Not a network error: a required password is not set, or the authentication method is not supported.
    Probe::Refused(cause.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use settings::Settings;

    use super::*;
    use crate::endpoints;

    fn at(port: u16) -> DatabaseSettings {
        let mut database = Settings::load(None).unwrap().database;
        "127.0.0.1".clone_into(&mut database.host);
        database.port = port;
        database
    }

    /// Starts a server that responds to a login with these bytes, then closes the connection. Returns its port.
    fn server_that_sends(text: Vec<u8>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            // The first connection only checks whether a server listens.
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&text).unwrap();
            // Closing with unread data would reset the connection before the response is read.
            let _ = stream.read(&mut [0; 1024]);
        });
        port
    }

    #[test]
    fn closed_port_is_unreachable() {
        let port = endpoints::free_address().unwrap().port();
        assert!(matches!(probe(&at(port)), Probe::Unreachable(_)));
    }

    #[test]
    fn open_port_without_the_protocol_is_not_ready() {
        for response in ["", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let probe_result = probe(&at(server_that_sends(response.into())));
            assert!(
                matches!(probe_result, Probe::NotReady(_)),
                "{probe_result:?}"
            );
        }
    }

    /// Returns an `ErrorResponse` message (PostgreSQL documentation, section 55.7).
    fn error_response(code: &str, message: &str) -> Vec<u8> {
        let fields = format!("SFATAL\0C{code}\0M{message}\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap();
        [b"E", length.to_be_bytes().as_slice(), fields.as_bytes()].concat()
    }

    #[test]
    fn error_code_of_the_server_determines_the_result() {
        let probe_result = |code| probe(&at(server_that_sends(error_response(code, "message"))));
        assert_eq!(probe_result("28P01"), Probe::Refused("message".to_owned()));
        assert_eq!(probe_result("57P03"), Probe::NotReady("message".to_owned()));
        assert_eq!(probe_result("3D000"), Probe::Ready);
    }

    #[test]
    fn real_server_is_ready() {
        assert_eq!(probe(&Settings::load(None).unwrap().database), Probe::Ready);
    }
}
