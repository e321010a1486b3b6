//! Documents on an SFTP server, with one connection for each fetch.

mod host_key;
mod login;
mod metered;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::FileVersion;
use domain::timestamp::Timestamp;
use russh::client::{self, Handle};
use russh::{AlgorithmKind, Preferred};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::client::fs::Metadata;
use russh_sftp::protocol::{FileType, StatusCode};
use thiserror::Error;
use tokio::io::AsyncReadExt;

use self::host_key::{HostKey, HostKeyCheck, KeyType};
use self::login::Login;
use self::metered::{Meter, Metered};
use super::directory::{
    Directory, Failure, FilePattern, MAX_LISTING_BYTES, NameFilter, OpenDirectory, check_entries,
    reason, too_large_listing,
};
use super::network::{Server, split};
use super::storage_failure;
use crate::decode::{Limit, Spool, SpoolWriter};
use crate::excerpt::excerpt;
use crate::feed::InvalidOptions;
use crate::options::SftpOptions;

/// Size of the pieces in which a file is read, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// A directory of an SFTP server.
pub(super) struct SftpServer {
    server: Server,
    directory: String,
    host_key: HostKey,
    login: Login,
    /// Time without a message of the server after which a connection is closed.
    timeout: Duration,
}

/// The reason why no connection to the expected server was made.
#[derive(Debug, Error)]
enum ConnectError {
    /// The server has another key.
    #[error("the server has another key, {fingerprint}")]
    OtherKey {
        key_type: Option<KeyType>,
        /// The fingerprint of the key, and its algorithm.
        fingerprint: String,
    },
    /// The connection failed.
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl SftpServer {
    /// Creates a source, without a connection.
    pub(super) fn new(
        options: &SftpOptions,
        connect_timeout: Duration,
        timeout: Duration,
    ) -> Result<(Self, FilePattern), InvalidOptions> {
        let (directory, file) = split(&options.path);
        let server = Self {
            server: Server::new(
                &options.host,
                options.port,
                &options.allow_addresses,
                connect_timeout,
            ),
            directory,
            host_key: HostKey::new(options.host_key.clone()),
            login: Login::new(&options.user, &options.login).map_err(InvalidOptions::Option)?,
            timeout,
        };
        Ok((server, file))
    }

    /// Connects to the server with the expected key. A server may have several keys, of which it presents the first that
    /// the client asks for: the types of keys that do not have the fingerprint are excluded, until none is left.
    async fn connect(&self) -> Result<Handle<HostKeyCheck>, Failure> {
        let mut key_types = self.host_key.types();
        let mut presented = Vec::new();
        loop {
            let stream = self.server.open().await?;
            let config = Arc::new(client::Config {
                inactivity_timeout: Some(self.timeout),
                nodelay: true,
                preferred: Preferred {
                    key: KeyType::algorithms(&key_types).into(),
                    ..Preferred::DEFAULT
                },
                ..client::Config::default()
            });
            match client::connect_stream(config, stream, self.host_key.check()).await {
                Ok(handle) => return Ok(handle),
                Err(ConnectError::OtherKey {
                    key_type,
                    fingerprint,
                }) => {
                    presented.push(fingerprint);
                    let before = key_types.len();
                    key_types.retain(|other| Some(*other) != key_type);
                    // A server that presents a key of a type that was excluded would do so for ever.
                    if key_types.is_empty() || key_types.len() == before {
                        return Err(self.host_key.mismatch(&presented));
                    }
                }
                Err(ConnectError::Ssh(russh::Error::NoCommonAlgo {
                    kind: AlgorithmKind::Key,
                    ..
                })) if !presented.is_empty() => return Err(self.host_key.mismatch(&presented)),
                Err(ConnectError::Ssh(error)) => return Err(broken(error)),
            }
        }
    }
}

#[async_trait]
impl OpenDirectory for SftpServer {
    type Directory = SftpDirectory;

    async fn open(&self) -> Result<SftpDirectory, Failure> {
        let mut handle = self.connect().await?;
        self.login.perform(&mut handle).await?;
        let channel = handle.channel_open_session().await.map_err(broken)?;
        channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(broken)?;
        // The timeout of the feed is shorter.
        let config = russh_sftp::client::Config {
            request_timeout_secs: self.timeout.as_secs().saturating_add(1),
            ..russh_sftp::client::Config::default()
        };
        let meter = Meter::default();
        let stream = Metered::new(channel.into_stream(), meter.clone());
        let session = SftpSession::new_with_config(stream, config).await;
        let session = session.map_err(|error| {
            let reason = reason(error);
            Failure::transient(format!("the server did not start SFTP: {reason}"))
        })?;
        Ok(SftpDirectory {
            path: self.directory.clone(),
            session,
            meter,
            _connection: handle,
        })
    }
}

/// A directory, over one connection.
pub(super) struct SftpDirectory {
    path: String,
    session: SftpSession,
    /// Limits what the server sends.
    meter: Meter,
    /// Ends the connection when it is dropped.
    _connection: Handle<HostKeyCheck>,
}

impl SftpDirectory {
    fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "/" => format!("/{name}"),
            directory => format!("{directory}/{name}"),
        }
    }

    /// Reads the version of a file, or of the target of a link; `None` for another object.
    async fn stat(&self, name: &str) -> Result<Option<FileVersion>, Failure> {
        let path = self.path_of(name);
        let metadata = self.session.metadata(&path).await;
        let metadata = metadata.map_err(|error| unreadable(&path, error))?;
        Ok(version(name, &metadata))
    }
}

#[async_trait]
impl Directory for SftpDirectory {
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure> {
        // The library collects all entries.
        self.meter.limit(MAX_LISTING_BYTES);
        let entries = self.session.read_dir(&self.path).await;
        let entries = entries.map_err(|error| {
            if self.meter.is_exceeded() {
                too_large_listing(&self.path)
            } else {
                unreadable(&self.path, error)
            }
        })?;
        self.meter.end_limit();
        let entries: Vec<_> = entries.collect();
        check_entries(&self.path, entries.len())?;
        let mut versions = Vec::new();
        for entry in entries {
            let name = entry.file_name();
            if !is_wanted(&name) {
                continue;
            }
            match entry.file_type() {
                FileType::Dir => {}
                FileType::File => versions.extend(version(&name, &entry.metadata())),
                // The entry describes the link. A link without a target is not a candidate.
                FileType::Symlink | FileType::Other => match self.stat(&name).await {
                    Err(failure) if failure.is_transient => return Err(failure),
                    found => versions.extend(found.ok().flatten()),
                },
            }
        }
        Ok(versions)
    }

    async fn look(&mut self, name: &str) -> Result<Option<FileVersion>, Failure> {
        self.stat(name).await
    }

    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure> {
        let path = self.path_of(name);
        let file = self.session.open(&path).await;
        let mut file = file.map_err(|error| unreadable(&path, error))?;
        let mut writer = SpoolWriter::new(limit);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = file.read(&mut chunk).await;
            let length = length.map_err(|error| unreadable(&path, error.into()))?;
            if length == 0 {
                break;
            }
            let written = writer.write(&chunk[..length]).await;
            written.map_err(|error| storage_failure(&error))?;
        }
        let bytes = writer.finish().await;
        Ok(bytes.map_err(|error| storage_failure(&error))?)
    }

    async fn remove(&mut self, name: &str) -> Result<(), Failure> {
        let path = self.path_of(name);
        let removed = self.session.remove_file(&path).await;
        removed.map_err(|error| failed(&format!("cannot delete {}", excerpt(&path)), error))
    }

    async fn rename(
        &mut self,
        name: &str,
        directory: &str,
        new_name: &str,
    ) -> Result<bool, Failure> {
        let (from, directory) = (self.path_of(name), self.path_of(directory));
        let to = format!("{directory}/{new_name}");
        let problem = || format!("cannot move {} to {}", excerpt(&from), excerpt(&directory));
        let metadata = self.session.symlink_metadata(&directory).await;
        let metadata = metadata.map_err(|error| failed(&problem(), error))?;
        if metadata.file_type() != FileType::Dir {
            let problem = problem();
            return Err(Failure::permanent(format!(
                "{problem}: it is not a directory"
            )));
        }
        match self.session.symlink_metadata(&to).await {
            Ok(_) => return Ok(false),
            Err(SftpError::Status(status)) if status.status_code == StatusCode::NoSuchFile => {}
            Err(error) => return Err(failed(&problem(), error)),
        }
        let renamed = self.session.rename(&from, &to).await;
        renamed.map_err(|error| failed(&problem(), error))?;
        Ok(true)
    }
}

fn version(name: &str, metadata: &Metadata) -> Option<FileVersion> {
    // A server need not state the type; what is not a file cannot be opened.
    let is_file = metadata.permissions.is_none() || metadata.file_type() == FileType::File;
    is_file.then(|| FileVersion {
        name: name.to_owned(),
        size: metadata.size.unwrap_or(0),
        modified: metadata
            .mtime
            .map(|seconds| Timestamp::from_micros(i64::from(seconds) * 1_000_000)),
    })
}

fn unreadable(path: &str, error: SftpError) -> Failure {
    failed(&format!("cannot read {}", excerpt(path)), error)
}

/// The failure of a request.
fn failed(problem: &str, error: SftpError) -> Failure {
    match error {
        SftpError::Status(status) => {
            Failure::permanent(format!("{problem}: {}", status.status_code))
        }
        error => {
            let reason = reason(error);
            // The text of russh-sftp for a request that got no response.
            Failure::transient(if reason.ends_with("sender dropped") {
                format!("{problem}: the server closed the connection")
            } else {
                format!("{problem}: the connection failed: {reason}")
            })
        }
    }
}

/// The failure of a connection.
fn broken(error: russh::Error) -> Failure {
    let reason = reason(error);
    Failure::transient(format!("the SSH connection failed: {reason}"))
}
