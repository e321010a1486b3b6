//! The TLS stream that `amiquip` polls.
//!
//! `amiquip` registers the stream edge-triggered, reads until `WouldBlock`, and watches for writability only while it has
//! unwritten data itself. From this follow the rules of this module:
//!
//! - `read` returns `WouldBlock` only when the socket does: decrypted data that is left over would wait for the next packet.
//! - `write` reports data as written only when its ciphertext is on the socket. Until then it returns `WouldBlock`, accepts
//!   no more, and reports the accepted bytes when `amiquip` offers them again. Otherwise ciphertext could be left over while
//!   `amiquip` does not watch for writability.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use amiquip::IoStream;
use mio::{Evented, Poll, PollOpt, Ready, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Maximum bytes that are encrypted at a time: one TLS record.
const MAX_PLAINTEXT_BYTES: usize = 16 * 1024;

/// An established TLS connection on a socket that does not block.
pub(crate) struct TlsStream<S: Read + Write = mio::net::TcpStream> {
    tls: ClientConnection,
    socket: S,
    /// Bytes that were encrypted and not yet reported as written.
    unreported: usize,
}

/// Performs the handshake on a socket that blocks.
pub(crate) fn handshake(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    socket: &mut TcpStream,
) -> io::Result<ClientConnection> {
    let mut tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(socket)?;
    }
    Ok(tls)
}

impl<S: Read + Write> TlsStream<S> {
    pub(crate) fn new(tls: ClientConnection, socket: S) -> Self {
        Self {
            tls,
            socket,
            unreported: 0,
        }
    }

    /// Writes all ciphertext to the socket.
    ///
    /// # Errors
    /// `WouldBlock` if some is left.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads ciphertext from the socket once and decrypts it.
    fn receive(&mut self) -> io::Result<()> {
        match self.tls.read_tls(&mut self.socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let processed = self.tls.process_new_packets();
        // A response of TLS itself, or the alert for an error. If it cannot be sent now, it precedes the next data.
        match self.send() {
            Err(error) if error.kind() != ErrorKind::WouldBlock && processed.is_ok() => {
                return Err(error);
            }
            _ => {}
        }
        processed
            .map(drop)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }
}

impl<S: Read + Write> TlsStream<S> {
    /// Returns the cause of a failed write: the alert with which the server ended the connection, if one was received. With TLS
    /// 1.3 a server checks the client's certificate after the handshake of the client, which may be writing by then.
    fn cause(&mut self, error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::WouldBlock {
            return error;
        }
        while matches!(self.tls.read_tls(&mut self.socket), Ok(1..)) {
            if let Err(alert) = self.tls.process_new_packets() {
                return io::Error::new(ErrorKind::InvalidData, alert);
            }
        }
        error
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send()?;
        if self.unreported == 0 {
            let bytes = &bytes[..bytes.len().min(MAX_PLAINTEXT_BYTES)];
            self.unreported = self.tls.writer().write(bytes)?;
            self.send()?;
        }
        // The caller offers the bytes that were not reported again, so they are the first ones.
        Ok(std::mem::take(&mut self.unreported).min(bytes.len()))
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.receive()?,
                // Data, the end of the stream, or a connection that was cut off.
                read => return read,
            }
        }
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.write_some(bytes);
        written.map_err(|error| self.cause(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.send();
        sent.map_err(|error| self.cause(error))
    }
}

impl Evented for TlsStream {
    fn register(&self, poll: &Poll, token: Token, ready: Ready, how: PollOpt) -> io::Result<()> {
        self.socket.register(poll, token, ready, how)
    }

    fn reregister(&self, poll: &Poll, token: Token, ready: Ready, how: PollOpt) -> io::Result<()> {
        self.socket.reregister(poll, token, ready, how)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        // The method of the trait; the type has a deprecated one of the same name.
        Evented::deregister(&self.socket, poll)
    }
}

impl IoStream for TlsStream {}

impl<S: Read + Write> Drop for TlsStream<S> {
    fn drop(&mut self) {
        self.tls.send_close_notify();
        // The socket may be closed already.
        let _ = self.send();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use proptest::prelude::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    /// A socket that accepts and delivers a limited number of bytes at a time, and would block in between.
    #[derive(Clone, Default)]
    struct Socket(Rc<RefCell<Pipes>>);

    #[derive(Default)]
    struct Pipes {
        sent: Vec<u8>,
        received: Vec<u8>,
        may_write: usize,
        may_read: usize,
        is_reset: bool,
    }

    impl Read for Socket {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let pipes = &mut *self.0.borrow_mut();
            let length = buffer.len().min(pipes.may_read).min(pipes.received.len());
            if length == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            pipes.may_read -= length;
            buffer[..length].copy_from_slice(&pipes.received[..length]);
            pipes.received.drain(..length);
            Ok(length)
        }
    }

    impl Write for Socket {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let pipes = &mut *self.0.borrow_mut();
            if pipes.is_reset {
                return Err(ErrorKind::ConnectionReset.into());
            }
            let length = bytes.len().min(pipes.may_write);
            if length == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            pipes.may_write -= length;
            pipes.sent.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pair() -> (ClientConnection, ServerConnection) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server)).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            receive(&mut server, &bytes);
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                client.read_tls(&mut rest).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        (client, server)
    }

    /// Passes ciphertext to the server and returns the plaintext.
    fn receive(server: &mut ServerConnection, mut bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets().unwrap();
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = server.reader().read(&mut buffer) {
                plain.extend_from_slice(&buffer[..length]);
            }
        }
        plain
    }

    fn numbers(length: usize) -> Vec<u8> {
        (0..251).cycle().take(length).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn all_data_is_sent_once_and_nothing_is_left_when_it_is_reported(
            length in 1_usize..70_000,
            limits in proptest::collection::vec(1_usize..30_000, 1..20),
        ) {
            let (client, mut server) = pair();
            let socket = Socket::default();
            let mut stream = TlsStream::new(client, socket.clone());
            let data = numbers(length);
            // As amiquip does: the bytes that were not reported are offered again, with others behind them.
            let mut written = 0;
            let mut limits = limits.iter().cycle();
            while written < data.len() {
                match stream.write(&data[written..]) {
                    Ok(length) => written += length,
                    Err(error) => {
                        prop_assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        socket.0.borrow_mut().may_write = *limits.next().unwrap();
                    }
                }
            }
            prop_assert!(!stream.tls.wants_write());
            let sent = std::mem::take(&mut socket.0.borrow_mut().sent);
            prop_assert!(receive(&mut server, &sent) == data);
        }

        #[test]
        fn all_data_is_read_before_a_read_would_block(
            length in 1_usize..70_000,
            limits in proptest::collection::vec(1_usize..30_000, 1..20),
        ) {
            let (client, mut server) = pair();
            let socket = Socket::default();
            let mut stream = TlsStream::new(client, socket.clone());
            let data = numbers(length);
            server.set_buffer_limit(None);
            server.writer().write_all(&data).unwrap();
            while server.wants_write() {
                server.write_tls(&mut socket.0.borrow_mut().received).unwrap();
            }
            let mut read = Vec::new();
            let mut limits = limits.iter().cycle();
            let mut buffer = [0; 1000];
            while read.len() < data.len() {
                match stream.read(&mut buffer) {
                    Ok(length) => read.extend_from_slice(&buffer[..length]),
                    Err(error) => {
                        prop_assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        let mut pipes = socket.0.borrow_mut();
                        // Only the socket blocks.
                        prop_assert!(pipes.may_read == 0);
                        pipes.may_read = *limits.next().unwrap();
                    }
                }
            }
            prop_assert!(read == data);
        }
    }

    #[test]
    fn failed_write_returns_the_alert_that_was_received_before() {
        for is_refused in [true, false] {
            let (client, mut server) = pair();
            let socket = Socket::default();
            {
                let mut pipes = socket.0.borrow_mut();
                (pipes.is_reset, pipes.may_read) = (true, usize::MAX);
                if is_refused {
                    // A record that does not decrypt.
                    let mut invalid: &[u8] = &[
                        23, 3, 3, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    ];
                    server.read_tls(&mut invalid).unwrap();
                    server.process_new_packets().unwrap_err();
                    server.write_tls(&mut pipes.received).unwrap();
                }
            }
            let mut stream = TlsStream::new(client, socket);
            let error = stream.write(b"AMQP").unwrap_err();
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
            if is_refused {
                assert!(
                    matches!(cause, Some(rustls::Error::AlertReceived(_))),
                    "{error:?}"
                );
            } else {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            }
        }
    }

    #[test]
    fn end_of_the_stream_is_clean_only_after_close_notify() {
        for is_clean in [true, false] {
            let (client, mut server) = pair();
            let mut received = Vec::new();
            if is_clean {
                server.send_close_notify();
                server.write_tls(&mut received).unwrap();
            }
            let mut stream = TlsStream::new(client, io::Cursor::new(received));
            let read = stream.read(&mut [0]).map_err(|error| error.kind());
            let expected = if is_clean {
                Ok(0)
            } else {
                Err(ErrorKind::UnexpectedEof)
            };
            assert_eq!(read, expected);
        }
    }
}
