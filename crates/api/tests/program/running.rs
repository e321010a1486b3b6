//! The program as a process.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use storage_postgres::PgOptions;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the command of the program with a database, or with a database port that refuses connections.
pub(crate) fn program(database: Option<&PgOptions>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-aggregator-api"));
    command
        .env("PORT", "0")
        .env("RUST_LOG", "info")
        .env("NO_COLOR", "1")
        .stderr(Stdio::piped());
    match database {
        Some(options) => command
            .env("DB_HOST", &options.host)
            .env("DB_PORT", options.port.to_string())
            .env("DB_USER", &options.user)
            .env(
                "DB_PASSWORD",
                options.password.as_deref().unwrap_or_default(),
            )
            .env("DB_NAME", &options.database),
        None => command.env("DB_HOST", "127.0.0.1").env("DB_PORT", "1"),
    };
    command
}

/// A running program, killed on drop.
pub(crate) struct Running {
    child: Child,
    log: Option<JoinHandle<String>>,
    pub(crate) address: String,
}

impl Running {
    pub(crate) fn start(database: Option<&PgOptions>) -> Self {
        Self::start_command(&mut program(database))
    }

    pub(crate) fn start_command(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (address_sender, address) = mpsc::channel();
        // The program would block on a full stderr pipe.
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            for line in lines.by_ref().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening address=") {
                    let address = address.split_whitespace().next().unwrap_or_default();
                    let _ = address_sender.send(address.to_owned());
                }
                log.push_str(&line);
                log.push('\n');
            }
            log
        });
        let mut running = Self {
            child,
            log: Some(log),
            address: String::new(),
        };
        match address.recv_timeout(TIMEOUT) {
            Ok(address) => running.address = address,
            Err(error) => panic!(
                "the program does not listen: {error}; its log:\n{}",
                running.kill()
            ),
        }
        running
    }

    /// Opens a connection to the program.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream
    }

    /// Sends a request and returns the complete response.
    pub(crate) fn send(&self, method: &str, target: &str, body: &str) -> String {
        let head = "Content-Type: application/json\r\nIdempotency-Key: k\r\n";
        exchange(&mut self.connect(), method, target, head, body)
    }

    /// Sends SIGTERM and returns whether the program exited successfully, and its log.
    pub(crate) fn terminate(mut self) -> (bool, String) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let log = self.log.take().unwrap().join().unwrap();
        (self.child.wait().unwrap().success(), log)
    }

    fn kill(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log
            .take()
            .map(|log| log.join().unwrap())
            .unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a request on a connection and returns all bytes up to its end. `head` contains further header lines, each with its
/// line end.
pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    method: &str,
    target: &str,
    head: &str,
    body: &str,
) -> String {
    let length = body.len();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
