//! Whether PostgreSQL answers and lets us in: a whole login, not only an open port.

use std::error::Error as _;

use settings::DatabaseSettings;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error, NoTls};

use super::{ANSWER_WITHIN, Answer, connect};
use crate::connection;

/// Logs in to the database of the settings. That it does not exist yet is fine: the server says so only to who was let
/// in.
pub(super) fn probe(database: &DatabaseSettings) -> Answer {
    // The driver does not say whether it was the connection that failed or what came after it.
    if let Err(error) = connect(&database.host, database.port) {
        return Answer::Nobody(error.to_string());
    }
    let mut config = connection::pg_options(database).login();
    config
        .application_name("xtask")
        .connect_timeout(ANSWER_WITHIN);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return Answer::NotReady(error.to_string()),
    };
    let login = async { tokio::time::timeout(ANSWER_WITHIN, config.connect(NoTls)).await };
    match runtime.block_on(login) {
        Ok(Ok(_)) => Answer::Ready,
        Ok(Err(error)) => read(&error),
        Err(_) => Answer::NotReady(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
    }
}

fn read(error: &Error) -> Answer {
    if let Some(said) = error.as_db_error() {
        let text = said.message().to_owned();
        return match said.code() {
            &SqlState::INVALID_CATALOG_NAME => Answer::Ready,
            &SqlState::CANNOT_CONNECT_NOW | &SqlState::TOO_MANY_CONNECTIONS => {
                Answer::NotReady(text)
            }
            _ => Answer::Refused(text),
        };
    }
    let Some(cause) = error.source() else {
        return Answer::NotReady(error.to_string());
    };
    if cause.is::<std::io::Error>() {
        return Answer::NotReady(format!(
            "what listens there does not talk as PostgreSQL does ({cause})"
        ));
    }
    // Not the network: the server asks for a password that is not set, or for a way to log in that is not known.
    Answer::Refused(cause.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use settings::Settings;

    use super::*;

    fn at(port: u16) -> DatabaseSettings {
        let mut database = Settings::load(None).unwrap().database;
        "127.0.0.1".clone_into(&mut database.host);
        database.port = port;
        database
    }

    /// Answers a login with these bytes, then closes the connection.
    fn answering(text: Vec<u8>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            // The first connection only looks whether anybody is there.
            drop(listener.accept().unwrap());
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(&text).unwrap();
            // Closing with unread data would reset the connection before the answer is read.
            let _ = stream.read(&mut [0; 1024]);
        });
        port
    }

    #[test]
    fn a_closed_port_is_nobody() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert!(matches!(probe(&at(free)), Answer::Nobody(_)));
    }

    #[test]
    fn an_open_port_is_not_enough() {
        for said in ["", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let answer = probe(&at(answering(said.into())));
            assert!(matches!(answer, Answer::NotReady(_)), "{answer:?}");
        }
    }

    /// An `ErrorResponse` as the PostgreSQL documentation has it, section 55.7.
    fn error_response(code: &str, message: &str) -> Vec<u8> {
        let fields = format!("SFATAL\0C{code}\0M{message}\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap();
        [b"E", length.to_be_bytes().as_slice(), fields.as_bytes()].concat()
    }

    #[test]
    fn the_server_says_itself_whether_to_wait_or_to_give_up() {
        let answer = |code| probe(&at(answering(error_response(code, "said so"))));
        assert_eq!(answer("28P01"), Answer::Refused("said so".to_owned()));
        assert_eq!(answer("57P03"), Answer::NotReady("said so".to_owned()));
        assert_eq!(answer("3D000"), Answer::Ready);
    }

    #[test]
    fn a_real_server_lets_us_in() {
        assert_eq!(
            probe(&Settings::load(None).unwrap().database),
            Answer::Ready
        );
    }
}
