//! The commands after TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::control::Control;
use super::{Server, features};
use crate::script::as_of;
use crate::script::server::shelf::{End, Entry, Node, Stored, Transfer, components};

/// Time in which a client must open the data connection.
const DATA_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of the pieces in which a file is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// One connection.
pub(super) struct Session<'s> {
    server: &'s Server,
    control: Control<TlsStream<TcpStream>>,
    local: SocketAddr,
    peer: IpAddr,
    user: String,
    is_logged_in: bool,
    /// The current directory.
    directory: String,
    /// Where the client was asked to open the next data connection.
    data: Option<TcpListener>,
}

/// The outcome of a command.
enum Outcome {
    Reply(String),
    /// The connection ends without a reply.
    End,
}

fn reply(text: impl Into<String>) -> Outcome {
    Outcome::Reply(text.into())
}

impl<'s> Session<'s> {
    pub(super) fn new(
        server: &'s Server,
        control: Control<TlsStream<TcpStream>>,
        (local, peer): (SocketAddr, SocketAddr),
    ) -> Self {
        Self {
            server,
            control,
            local,
            peer: peer.ip(),
            user: String::new(),
            is_logged_in: false,
            directory: "/".to_owned(),
            data: None,
        }
    }

    /// Serves commands until the client or a fault ends the connection.
    pub(super) async fn run(mut self) -> io::Result<()> {
        while let Some((command, argument)) = self.control.command().await? {
            let outcome = if self.is_logged_in {
                self.command(&command, &argument).await?
            } else {
                self.before_login(&command, &argument)
            };
            match outcome {
                Outcome::Reply(text) => self.control.reply(&text).await?,
                Outcome::End => return Ok(()),
            }
            if command == "QUIT" {
                break;
            }
        }
        Ok(())
    }

    fn before_login(&mut self, command: &str, argument: &str) -> Outcome {
        let text = match command {
            "USER" => {
                argument.clone_into(&mut self.user);
                "331 Password required"
            }
            "PASS" => {
                let login = self.server.options.login.as_ref();
                let is_valid =
                    login.is_none_or(|(user, password)| *user == self.user && password == argument);
                self.is_logged_in = is_valid && !self.server.folder.refuses_logins();
                if self.is_logged_in {
                    "230 Logged in"
                } else {
                    "530 Login incorrect"
                }
            }
            _ => self
                .without_state(command, argument)
                .unwrap_or("530 Login required"),
        };
        Outcome::Reply(text.to_owned())
    }

    /// The reply to a command that depends on no file.
    fn without_state(&self, command: &str, argument: &str) -> Option<&'static str> {
        Some(match command {
            "PBSZ" => "200 PBSZ=0",
            "PROT" if argument.eq_ignore_ascii_case("P") => "200 Data connections are private",
            "PROT" => "534 Data connections are private",
            "FEAT" => features(self.server),
            "SYST" => "215 UNIX Type: L8",
            "QUIT" => "221 Goodbye",
            "TYPE" | "MODE" | "STRU" | "OPTS" | "NOOP" => "200 OK",
            _ => return None,
        })
    }

    async fn command(&mut self, command: &str, argument: &str) -> io::Result<Outcome> {
        if let Some(text) = self.without_state(command, argument) {
            return Ok(reply(text));
        }
        let argument = if command == "CDUP" { ".." } else { argument };
        let path = format!("/{}", components(&self.directory, argument).join("/"));
        Ok(match command {
            "PWD" | "XPWD" => reply(format!("257 \"{}\"", self.directory)),
            "CWD" | "CDUP" => match self.server.folder.find(&path) {
                Some(Node::Directory(_)) => {
                    self.directory = path;
                    reply("250 OK")
                }
                _ => reply(format!("550 {path}: No such directory")),
            },
            "EPSV" => {
                let port = self.listen().await?.port();
                reply(format!("229 Entering extended passive mode (|||{port}|)"))
            }
            "PASV" => {
                let address = self.listen().await?;
                let IpAddr::V4(ip) = address.ip() else {
                    return Ok(reply("425 PASV has no IPv6 addresses: use EPSV"));
                };
                let [a, b, c, d] = ip.octets();
                let [high, low] = address.port().to_be_bytes();
                reply(format!(
                    "227 Entering passive mode ({a},{b},{c},{d},{high},{low})"
                ))
            }
            "SIZE" | "MDTM" => match self.server.folder.find(&path) {
                Some(Node::File(file)) if command == "SIZE" => {
                    reply(format!("213 {}", file.bytes.len()))
                }
                Some(Node::File(file)) => {
                    reply(format!("213 {}", self.time("%Y%m%d%H%M%S", file.modified)))
                }
                _ => reply(format!("550 {path}: No such file")),
            },
            "MLSD" if !self.server.options.has_mlsd => reply("502 Not implemented"),
            // A client may send options of `ls` in place of a path.
            "LIST" | "NLST" if argument.starts_with('-') => {
                let directory = self.directory.clone();
                self.list(command, &directory).await?
            }
            "MLSD" | "LIST" | "NLST" => self.list(command, &path).await?,
            "RETR" => self.retrieve(&path).await?,
            _ => reply("502 Not implemented"),
        })
    }

    /// Listens for the next data connection.
    async fn listen(&mut self) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((self.local.ip(), 0)).await?;
        let address = listener.local_addr()?;
        self.data = Some(listener);
        Ok(address)
    }

    /// Accepts the data connection. The inner error is the reply if the client opened none.
    async fn data_connection(&mut self) -> io::Result<Result<TlsStream<TcpStream>, &'static str>> {
        let Some(listener) = self.data.take() else {
            return Ok(Err("425 EPSV or PASV is required first"));
        };
        self.control.reply("150 Opening data connection").await?;
        let accepted = timeout(DATA_TIMEOUT, async {
            loop {
                let (stream, peer) = listener.accept().await?;
                if peer.ip() == self.peer {
                    return self.server.acceptor.accept(stream).await;
                }
            }
        });
        Ok(match accepted.await {
            Ok(Ok(stream)) => Ok(stream),
            _ => Err("425 No data connection"),
        })
    }

    async fn list(&mut self, command: &str, path: &str) -> io::Result<Outcome> {
        let entries = match self.server.folder.find(path) {
            Some(Node::Directory(entries)) => entries,
            Some(Node::File(file)) if command != "MLSD" => vec![Entry {
                name: path.rsplit('/').next().unwrap_or_default().to_owned(),
                file: Some(file),
            }],
            _ => return Ok(reply(format!("550 {path}: No such directory"))),
        };
        let line = |entry: &Entry| self.line(command, entry) + "\r\n";
        let listing: String = entries.iter().map(line).collect();
        let mut data = match self.data_connection().await? {
            Ok(data) => data,
            Err(problem) => return Ok(reply(problem)),
        };
        data.write_all(listing.as_bytes()).await?;
        data.shutdown().await?;
        Ok(reply("226 Transfer complete"))
    }

    /// The line of an entry in a listing.
    fn line(&self, command: &str, entry: &Entry) -> String {
        let name = &entry.name;
        match (command, &entry.file) {
            ("NLST", _) => name.clone(),
            ("MLSD", None) => format!("type=dir; {name}"),
            ("MLSD", Some(Stored { bytes, modified })) => {
                let modified = self.time("%Y%m%d%H%M%S", *modified);
                format!("type=file;size={};modify={modified}; {name}", bytes.len())
            }
            (_, None) => format!("drwxr-xr-x 1 vendor vendor 0 Jan  1 00:00 {name}"),
            (_, Some(Stored { bytes, modified })) => {
                let modified = self.time("%b %e %H:%M", *modified);
                format!(
                    "-rw-r--r-- 1 vendor vendor {} {modified} {name}",
                    bytes.len()
                )
            }
        }
    }

    fn time(&self, pattern: &str, instant: Timestamp) -> String {
        as_of::pattern(pattern, instant, &self.server.options.zone).unwrap_or_default()
    }

    async fn retrieve(&mut self, path: &str) -> io::Result<Outcome> {
        let Some(Node::File(file)) = self.server.folder.find(path) else {
            return Ok(reply(format!("550 {path}: No such file")));
        };
        let transfer = self.server.folder.transfer(&file);
        transfer.begin().await;
        let mut data = match self.data_connection().await? {
            Ok(data) => data,
            Err(problem) => return Ok(reply(problem)),
        };
        if send(&mut data, &transfer).await? == End::Cut {
            return Ok(Outcome::End);
        }
        data.shutdown().await?;
        Ok(reply("226 Transfer complete"))
    }
}

/// Sends a file, and returns how the transfer ends.
async fn send(data: &mut TlsStream<TcpStream>, transfer: &Transfer) -> io::Result<End> {
    let mut offset = 0;
    loop {
        let piece = transfer.piece(offset, PIECE_BYTES).await;
        if piece.is_empty() {
            return Ok(transfer.end().await);
        }
        data.write_all(&piece).await?;
        data.flush().await?;
        offset += piece.len();
    }
}
