//! Documents on an FTP server with TLS, with one connection for each fetch. Neither a login nor a file is ever transferred
//! without TLS.
//!
//! Names, sizes and times are read by MLSD. Of a server without it, and of a link, whose entry there describes the link itself,
//! they are read by NLST, SIZE and MDTM. Data connections go to the address of the control connection, whatever address a
//! server behind NAT states, and offer the TLS session of the control connection, which some servers require.

mod listing;
mod tls;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::FileVersion;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use suppaftp::tokio::{AsyncRustlsConnector, AsyncRustlsFtpStream};
use suppaftp::tokio_rustls::TlsConnector;
use suppaftp::tokio_rustls::rustls::ClientConfig;
use suppaftp::types::FileType;
use suppaftp::{FtpError, Mode, Status};
use tokio::io::AsyncReadExt;

use self::listing::{Entry, Kind, parse_entry, parse_time};
use super::directory::{
    Directory, Failure, FilePattern, MAX_LISTING_BYTES, NameFilter, OpenDirectory, check_entries,
    reason, too_large_listing,
};
use super::network::{Server, split};
use super::storage_failure;
use crate::decode::{Limit, Spool, SpoolWriter};
use crate::excerpt::excerpt;
use crate::feed::InvalidOptions;
use crate::options::{FtpsOptions, FtpsTls};

/// Size of the pieces in which a file is read, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A directory of an FTP server.
pub(super) struct FtpsServer {
    server: Server,
    directory: String,
    tls: FtpsTls,
    /// One for all connections, so that a data connection resumes the session of the control connection.
    config: Arc<ClientConfig>,
    zone: TimeZone,
    user: String,
    password: SecretString,
}

impl FtpsServer {
    /// Creates a source, without a connection.
    pub(super) fn new(
        options: &FtpsOptions,
        connect_timeout: Duration,
    ) -> Result<(Self, FilePattern), InvalidOptions> {
        let (directory, file) = split(&options.path);
        let zone = options.time_zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(zone).map_err(|_| {
            let problem = "which is not a time zone of this system's database";
            InvalidOptions::Option(format!("source.time_zone is {zone:?}, {problem}"))
        })?;
        let config = tls::client_config(options.authorities.as_deref());
        let server = Self {
            server: Server::new(
                &options.host,
                options.port,
                &options.allow_addresses,
                connect_timeout,
            ),
            directory,
            tls: options.tls,
            config: Arc::new(config.map_err(InvalidOptions::Option)?),
            zone,
            user: options.user.clone(),
            password: options.password.clone(),
        };
        Ok((server, file))
    }

    async fn connect(&self) -> Result<AsyncRustlsFtpStream, Failure> {
        let host = self.server.host.as_str();
        let connector = || AsyncRustlsConnector::from(TlsConnector::from(Arc::clone(&self.config)));
        let failed = |error| broken("cannot establish TLS", error);
        match self.tls {
            FtpsTls::Explicit => {
                let stream = self.server.open().await?;
                let plain = AsyncRustlsFtpStream::connect_with_stream(stream).await;
                let plain = plain.map_err(|error| broken("the server is not ready", error))?;
                plain.into_secure(connector(), host).await.map_err(failed)
            }
            FtpsTls::Implicit => {
                let connect = async |addresses: &[SocketAddr]| {
                    AsyncRustlsFtpStream::connect_secure_implicit(addresses, connector(), host)
                        .await
                        .map_err(failed)
                };
                let mut secure = self.server.connect(connect).await?;
                for command in ["PBSZ 0", "PROT P"] {
                    let response = secure.custom_command(command, &[Status::CommandOk]).await;
                    response
                        .map_err(|error| broken("the server refuses to encrypt files", error))?;
                }
                Ok(secure)
            }
        }
    }

    async fn login(&self, stream: &mut AsyncRustlsFtpStream) -> Result<(), Failure> {
        let password = self.password.expose_secret();
        let login = stream.login(self.user.as_str(), password).await;
        login.map_err(|error| match error {
            FtpError::UnexpectedResponse(mut response) => {
                // A server may repeat what it received.
                let text = String::from_utf8_lossy(&response.body);
                response.body = text.replace(password, "[secret]").into_bytes();
                let error = FtpError::UnexpectedResponse(response);
                broken("the server refused the login (source.auth)", error)
            }
            error => broken("the login (source.auth) failed", error),
        })
    }
}

#[async_trait]
impl OpenDirectory for FtpsServer {
    type Directory = FtpsDirectory;

    async fn open(&self) -> Result<FtpsDirectory, Failure> {
        let mut stream = self.connect().await?;
        self.login(&mut stream).await?;
        // A server without FEAT has none of the features.
        let features = match stream.feat().await {
            Err(error @ FtpError::ConnectionError(_)) => return Err(broken("FEAT failed", error)),
            features => features.unwrap_or_default(),
        };
        let has_mlsd = features
            .keys()
            .any(|name| name.eq_ignore_ascii_case("MLST") || name.eq_ignore_ascii_case("MLSD"));
        stream.set_passive_nat_workaround(true);
        // Servers have EPSV without listing it, and list it although a rule denies it.
        let extended = stream
            .custom_command("EPSV", &[Status::ExtendedPassiveMode])
            .await;
        stream.set_mode(match extended {
            Err(error @ FtpError::ConnectionError(_)) => return Err(broken("EPSV failed", error)),
            Err(_) => Mode::Passive,
            Ok(_) => Mode::ExtendedPassive,
        });
        let binary = stream.transfer_type(FileType::Binary).await;
        binary.map_err(|error| broken("the server refuses the binary type", error))?;
        if self.directory != "." {
            let changed = stream.cwd(&self.directory).await;
            changed.map_err(|error| unreadable(&self.directory, error))?;
        }
        Ok(FtpsDirectory {
            path: self.directory.clone(),
            has_mlsd,
            zone: self.zone.clone(),
            stream,
        })
    }
}

/// The current directory of one connection.
pub(super) struct FtpsDirectory {
    path: String,
    has_mlsd: bool,
    zone: TimeZone,
    stream: AsyncRustlsFtpStream,
}

impl FtpsDirectory {
    /// Transfers a listing, by lines.
    async fn lines(&mut self, command: &str) -> Result<Vec<String>, Failure> {
        let path = self.path.clone();
        let failed = |error| unreadable(&path, error);
        let expected = [Status::AboutToSend, Status::AlreadyOpen];
        let opened = self.stream.custom_data_command(command, &expected).await;
        let (_, mut data) = match opened {
            // Some servers report an empty directory so.
            Err(FtpError::UnexpectedResponse(response)) if response.status.code() == 450 => {
                return Ok(Vec::new());
            }
            opened => opened.map_err(failed)?,
        };
        let mut listing = Vec::new();
        let mut limited = (&mut data).take(MAX_LISTING_BYTES as u64 + 1);
        let read = limited.read_to_end(&mut listing).await;
        read.map_err(|error| failed(FtpError::ConnectionError(error)))?;
        if listing.len() > MAX_LISTING_BYTES {
            return Err(too_large_listing(&self.path));
        }
        data.finish().await.map_err(failed)?;
        let lines = listing.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| {
            String::from_utf8_lossy(line)
                .trim_end_matches('\r')
                .to_owned()
        });
        let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
        check_entries(&self.path, lines.len())?;
        Ok(lines)
    }

    /// The files that MLSD lists.
    async fn entries(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure> {
        let mut versions = Vec::new();
        for line in self.lines("MLSD").await? {
            let Some(Entry {
                name,
                kind,
                size,
                modified,
            }) = parse_entry(&line, &self.zone)
            else {
                continue;
            };
            if !is_wanted(name) {
                continue;
            }
            match (kind, size) {
                (Kind::Directory, _) => {}
                (Kind::File, Some(size)) => versions.push(FileVersion {
                    name: name.to_owned(),
                    size,
                    modified,
                }),
                _ => versions.extend(self.ask(name).await?),
            }
        }
        Ok(versions)
    }

    /// The version of a file by SIZE and MDTM, which follow links; `None` if the name is not that of a file.
    async fn ask(&mut self, name: &str) -> Result<Option<FileVersion>, Failure> {
        let Some(size) = self.property("SIZE", name).await? else {
            return Ok(None);
        };
        let size = size.trim().parse().map_err(|_| {
            let (shown, size) = (excerpt(name), excerpt(&size));
            Failure::permanent(format!("the server states the size of {shown} as {size}"))
        })?;
        let time = self.property("MDTM", name).await?;
        Ok(Some(FileVersion {
            name: name.to_owned(),
            size,
            modified: time.and_then(|time| parse_time(time.trim(), &self.zone)),
        }))
    }

    /// The response to a command about a file; `None` if the server refuses it permanently.
    async fn property(&mut self, command: &str, name: &str) -> Result<Option<String>, Failure> {
        let command = format!("{command} {name}");
        match self.stream.custom_command(command, &[Status::File]).await {
            Ok(response) => {
                let text = String::from_utf8_lossy(&response.body);
                // The code is the first word.
                let value = text
                    .trim_end()
                    .split_once(' ')
                    .map(|(_, value)| value.to_owned());
                Ok(value)
            }
            Err(FtpError::UnexpectedResponse(response)) if response.status.code() >= 500 => {
                Ok(None)
            }
            Err(error) => Err(unreadable(name, error)),
        }
    }
}

#[async_trait]
impl Directory for FtpsDirectory {
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure> {
        if self.has_mlsd {
            return self.entries(is_wanted).await;
        }
        let mut versions = Vec::new();
        for line in self.lines("NLST").await? {
            // Some servers state the path.
            let name = line
                .rsplit_once('/')
                .map_or(line.as_str(), |(_, name)| name);
            if is_wanted(name) {
                versions.extend(self.ask(name).await?);
            }
        }
        Ok(versions)
    }

    async fn look(&mut self, name: &str) -> Result<Option<FileVersion>, Failure> {
        let found = if self.has_mlsd {
            let found = self.entries(&|listed: &str| listed == name).await?;
            found.into_iter().next()
        } else {
            self.ask(name).await?
        };
        // Neither way distinguishes a directory from a file that does not exist.
        let found = found.ok_or_else(|| {
            let (name, path) = (excerpt(name), excerpt(&self.path));
            Failure::permanent(format!("there is no file {name} in {path}"))
        });
        found.map(Some)
    }

    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure> {
        let failed = |error| unreadable(name, error);
        let mut data = self.stream.retr_as_stream(name).await.map_err(failed)?;
        let mut writer = SpoolWriter::new(limit);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = data.read(&mut chunk).await;
            let length = length.map_err(|error| failed(FtpError::ConnectionError(error)))?;
            if length == 0 {
                break;
            }
            let written = writer.write(&chunk[..length]).await;
            written.map_err(|error| storage_failure(&error))?;
        }
        data.finish().await.map_err(failed)?;
        let bytes = writer.finish().await;
        Ok(bytes.map_err(|error| storage_failure(&error))?)
    }

    async fn remove(&mut self, name: &str) -> Result<(), Failure> {
        let removed = self.stream.rm(name).await;
        removed.map_err(|error| broken(&format!("cannot delete {}", excerpt(name)), error))
    }

    async fn rename(
        &mut self,
        name: &str,
        directory: &str,
        new_name: &str,
    ) -> Result<bool, Failure> {
        // Most servers replace a file that has the name.
        let target = format!("{directory}/{new_name}");
        if self.property("SIZE", &target).await?.is_some() {
            return Ok(false);
        }
        let renamed = self.stream.rename(name, target.as_str()).await;
        renamed.map_err(|error| {
            let (name, directory) = (excerpt(name), excerpt(directory));
            broken(&format!("cannot move {name} to {directory}"), error)
        })?;
        Ok(true)
    }
}

fn unreadable(path: &str, error: FtpError) -> Failure {
    broken(&format!("cannot read {}", excerpt(path)), error)
}

/// The failure of a command or a connection. A response that begins with 5 is final.
fn broken(problem: &str, error: FtpError) -> Failure {
    match error {
        FtpError::UnexpectedResponse(response) => {
            let text = reason(String::from_utf8_lossy(&response.body));
            let problem = format!("{problem}: {text}");
            match response.status.code() {
                500.. => Failure::permanent(problem),
                _ => Failure::transient(problem),
            }
        }
        FtpError::SecureError(error) => {
            // The library repeats its own prefix.
            let error = error.trim_start_matches("Secure error: ");
            Failure::permanent(format!("{problem}: {}", reason(error)))
        }
        FtpError::ConnectionError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Failure::transient(format!("{problem}: the server closed the connection"))
        }
        FtpError::ConnectionError(error) => {
            Failure::transient(format!("{problem}: {}", reason(error)))
        }
        error => Failure::transient(format!("{problem}: {}", reason(error))),
    }
}
