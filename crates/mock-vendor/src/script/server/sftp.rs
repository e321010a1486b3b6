//! Files over SFTP.

mod session;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{HashAlg, PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::net::TcpStream;

use self::session::SftpSession;
use super::seed::seed;
use super::shelf::Shelf;
use super::{Connections, Prepared, Protocol, ServedConnection};
use crate::script::auth::Auth as AuthTable;

/// An SFTP server.
#[derive(Debug)]
pub(in crate::script) struct Sftp {
    login: Arc<Login>,
}

/// Which logins are accepted.
#[derive(Debug)]
enum Login {
    Any,
    Password { user: String, password: String },
    Key { user: String, key: Box<PublicKey> },
}

impl Login {
    /// The methods that a server with this login has.
    fn methods(&self) -> &'static [MethodKind] {
        match self {
            Self::Any => &[
                MethodKind::None,
                MethodKind::Password,
                MethodKind::PublicKey,
            ],
            Self::Password { .. } => &[MethodKind::Password],
            Self::Key { .. } => &[MethodKind::PublicKey],
        }
    }
}

impl Sftp {
    pub(in crate::script) fn new(auth: Option<&AuthTable>) -> Result<Self, String> {
        let login = match auth {
            Some(AuthTable::Password { user, password }) => Login::Password {
                user: user.clone(),
                password: password.clone(),
            },
            Some(AuthTable::Key { user, public_key }) => {
                let key = PublicKey::from_openssh(public_key).map_err(|_| {
                    "public_key is not a public key in the format of OpenSSH, such as \"ssh-ed25519 AAAA…\""
                })?;
                Login::Key {
                    user: user.clone(),
                    key: Box::new(key),
                }
            }
            _ => Login::Any,
        };
        Ok(Self {
            login: Arc::new(login),
        })
    }
}

impl Protocol for Sftp {
    fn prepare(
        &self,
        vendor: &str,
        address: SocketAddr,
        folder: Arc<Shelf>,
    ) -> io::Result<Prepared> {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed(vendor)));
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let config = Config {
            keys: vec![key],
            methods: MethodSet::from(self.login.methods()),
            // Nothing here is worth a guess of a password.
            auth_rejection_time: Duration::ZERO,
            nodelay: true,
            ..Config::default()
        };
        Ok(Prepared {
            url: format!("sftp://{address}"),
            settings: vec![("host_key", fingerprint)],
            connections: Box::new(SshConnections {
                config: Arc::new(config),
                login: Arc::clone(&self.login),
                folder,
            }),
        })
    }
}

struct SshConnections {
    config: Arc<Config>,
    login: Arc<Login>,
    folder: Arc<Shelf>,
}

impl Connections for SshConnections {
    fn serve(&self, stream: TcpStream) -> ServedConnection {
        let config = Arc::clone(&self.config);
        let (login, folder) = (Arc::clone(&self.login), Arc::clone(&self.folder));
        Box::pin(async move {
            // A failure ends this connection only.
            let _ = serve(stream, config, login, folder).await;
        })
    }
}

async fn serve(
    stream: TcpStream,
    config: Arc<Config>,
    login: Arc<Login>,
    folder: Arc<Shelf>,
) -> Result<(), russh::Error> {
    let stream = stream.into_std()?;
    let socket = Socket(Arc::new(stream.try_clone()?));
    // The library serves the connection in a task of its own, which ends with the socket.
    let _end = EndOnDrop(socket.clone());
    let handler = Connection {
        login,
        folder,
        socket,
        channels: HashMap::new(),
    };
    let session = run_stream(config, TcpStream::from_std(stream)?, handler).await?;
    session.await
}

/// The socket of a connection, to end it without a word.
#[derive(Debug, Clone)]
struct Socket(Arc<std::net::TcpStream>);

impl Socket {
    fn end(&self) {
        // It may have ended.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

struct EndOnDrop(Socket);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// One SSH connection.
struct Connection {
    login: Arc<Login>,
    folder: Arc<Shelf>,
    socket: Socket,
    /// The channels on which SFTP was not started yet.
    channels: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    fn decide(&self, is_valid: bool) -> Auth {
        if is_valid && !self.folder.refuses_logins() {
            return Auth::Accept;
        }
        Auth::Reject {
            // As real servers do. The library leaves out a method that failed.
            proceed_with_methods: Some(MethodSet::from(self.login.methods())),
            partial_success: false,
        }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        Ok(self.decide(matches!(*self.login, Login::Any)))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(self.decide(match &*self.login {
            Login::Any => true,
            Login::Password {
                user: expected_user,
                password: expected,
            } => user == expected_user && password == expected,
            Login::Key { .. } => false,
        }))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        offered: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(self.decide(match &*self.login {
            Login::Any => true,
            Login::Key {
                user: expected_user,
                key,
            } => user == expected_user && offered.public_key.key_data() == key.key_data(),
            Login::Password { .. } => false,
        }))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Without it, clients end with a failure.
        session.exit_status_request(channel, 0)?;
        session.close(channel)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let channel = self.channels.remove(&id);
        let Some(channel) = channel.filter(|_| name == "sftp") else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let files = SftpSession::new(Arc::clone(&self.folder), self.socket.clone());
        russh_sftp::server::run(channel.into_stream(), files).await;
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(channel)
    }
}
