//! Files over FTP with TLS: the commands that clients need to list and read files, in passive mode. Neither a login nor a file
//! is accepted without TLS.

mod control;
mod session;
mod tls;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use self::control::Control;
use self::session::Session;
use super::shelf::Shelf;
use super::{Connections, Prepared, Protocol, ServedConnection};
use crate::script::transport::FtpsTls;

/// An FTP server.
#[derive(Debug, Clone)]
pub(in crate::script) struct Ftps {
    pub(in crate::script) tls: FtpsTls,
    /// User and password; `None` accepts every login.
    pub(in crate::script) login: Option<(String, String)>,
    /// The zone of the times that are stated. Servers should state UTC.
    pub(in crate::script) zone: TimeZone,
    /// Whether the server has MLSD.
    pub(in crate::script) has_mlsd: bool,
    /// The file to which the certificate is written.
    pub(in crate::script) ca_file: PathBuf,
}

impl Protocol for Ftps {
    fn prepare(
        &self,
        vendor: &str,
        address: SocketAddr,
        folder: Arc<Shelf>,
    ) -> io::Result<Prepared> {
        let (config, certificate) = tls::server_config(vendor, address.ip())?;
        if let Some(directory) = self.ca_file.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(&self.ca_file, certificate)?;
        Ok(Prepared {
            url: format!("ftps://{address}"),
            settings: vec![("ca_file", self.ca_file.display().to_string())],
            connections: Box::new(FtpConnections(Arc::new(Server {
                options: self.clone(),
                acceptor: TlsAcceptor::from(Arc::new(config)),
                folder,
            }))),
        })
    }
}

/// State that the connections of a server share.
struct Server {
    options: Ftps,
    acceptor: TlsAcceptor,
    folder: Arc<Shelf>,
}

struct FtpConnections(Arc<Server>);

impl Connections for FtpConnections {
    fn serve(&self, stream: TcpStream) -> ServedConnection {
        let server = Arc::clone(&self.0);
        Box::pin(async move {
            // A failure ends this connection only.
            let _ = serve(stream, &server).await;
        })
    }
}

async fn serve(stream: TcpStream, server: &Server) -> io::Result<()> {
    let addresses = (stream.local_addr()?, stream.peer_addr()?);
    let stream = match server.options.tls {
        FtpsTls::Implicit => stream,
        FtpsTls::Explicit => match until_tls(stream, server).await? {
            Some(stream) => stream,
            None => return Ok(()),
        },
    };
    let stream = server.acceptor.accept(stream).await?;
    let mut control = Control::new(stream);
    if server.options.tls == FtpsTls::Implicit {
        control.reply("220 Mock vendor").await?;
    }
    Session::new(server, control, addresses).run().await
}

/// Serves the commands before TLS. Returns the connection after `AUTH TLS`.
async fn until_tls(stream: TcpStream, server: &Server) -> io::Result<Option<TcpStream>> {
    let mut control = Control::new(stream);
    control.reply("220 Mock vendor").await?;
    while let Some((command, argument)) = control.command().await? {
        match command.as_str() {
            "AUTH" if ["TLS", "SSL"].contains(&argument.to_ascii_uppercase().as_str()) => {
                control.reply("234 Begin TLS").await?;
                return Ok(Some(control.into_inner()));
            }
            "FEAT" => control.reply(features(server)).await?,
            "QUIT" => {
                control.reply("221 Goodbye").await?;
                return Ok(None);
            }
            _ => control.reply("530 AUTH TLS is required first").await?,
        }
    }
    Ok(None)
}

fn features(server: &Server) -> &'static str {
    if server.options.has_mlsd {
        "211-Features:\r\n AUTH TLS\r\n EPSV\r\n MDTM\r\n MLST type*;size*;modify*;\r\n PBSZ\r\n PROT\r\n SIZE\r\n UTF8\r\n211 End"
    } else {
        "211-Features:\r\n AUTH TLS\r\n EPSV\r\n MDTM\r\n PBSZ\r\n PROT\r\n SIZE\r\n UTF8\r\n211 End"
    }
}
