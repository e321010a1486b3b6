//! The files that a scripted vendor serves over SFTP, FTPS or as a bucket, and how a fault spoils their transfer.

#[cfg(feature = "bucket")]
mod bucket;
#[cfg(feature = "ftps")]
mod ftps;
#[cfg(any(feature = "ftps", feature = "sftp"))]
mod seed;
#[cfg(feature = "sftp")]
mod sftp;
mod shelf;

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

#[cfg(feature = "bucket")]
pub(super) use self::bucket::Bucket;
#[cfg(feature = "ftps")]
pub(super) use self::ftps::Ftps;
#[cfg(feature = "sftp")]
pub(super) use self::sftp::Sftp;
pub(super) use self::shelf::Shelf;
use super::files::{self, Schedule};
use super::plan::Plan;

/// Pause after a connection was not accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A vendor that serves files.
#[derive(Debug)]
pub(super) struct FileServer {
    pub(super) listen: SocketAddr,
    /// Directory of the files on the server.
    pub(super) directory: String,
    pub(super) schedule: Schedule,
    pub(super) protocol: Box<dyn Protocol>,
}

/// How files are served.
pub(super) trait Protocol: Debug + Send {
    /// Prepares keys and certificates for the vendor.
    fn prepare(
        &self,
        vendor: &str,
        address: SocketAddr,
        folder: Arc<Shelf>,
    ) -> io::Result<Prepared>;
}

/// A server that may run.
pub(super) struct Prepared {
    /// URL of the server, or of the bucket.
    pub(super) url: String,
    /// Settings of the feed that follow from the start of the server, by their names.
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) connections: Box<dyn Connections>,
}

/// The connections of a server.
pub(super) trait Connections: Send + Sync {
    /// Serves one connection to its end.
    fn serve(&self, stream: TcpStream) -> ServedConnection;
}

/// A connection that is served until this future is dropped.
pub(super) type ServedConnection = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server that runs.
pub(super) struct Started {
    pub(super) address: SocketAddr,
    pub(super) url: String,
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) files: JoinHandle<io::Error>,
    pub(super) server: JoinHandle<()>,
}

/// Starts a server. `written` counts its files.
pub(super) fn start(
    vendor: &str,
    server: FileServer,
    plan: Plan,
    written: Arc<AtomicU64>,
) -> io::Result<Started> {
    let listener = std::net::TcpListener::bind(server.listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = TcpListener::from_std(listener)?;
    let folder = Arc::new(Shelf::new(&server.directory));
    let prepared = server
        .protocol
        .prepare(vendor, address, Arc::clone(&folder))?;
    let Schedule { name, .. } = &server.schedule;
    let url = match server.directory.trim_end_matches('/') {
        "" => format!("{}/{name}", prepared.url),
        directory => format!(
            "{}/{}/{name}",
            prepared.url,
            directory.trim_start_matches('/')
        ),
    };
    let files = tokio::spawn(files::run(folder, server.schedule, plan, written));
    Ok(Started {
        address,
        url,
        settings: prepared.settings,
        files,
        server: tokio::spawn(accept(listener, prepared.connections)),
    })
}

/// Serves connections until it is cancelled, which ends them.
async fn accept(listener: TcpListener, connections: Box<dyn Connections>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    open.spawn(connections.serve(stream));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}
