//! Probes RabbitMQ with the AMQP 0-9-1 handshake up to the opened vhost, not only a TCP connection.
//!
//! The few frames are encoded here: the client library adds a thread and timeouts of its own to a single check, and needs
//! many seconds to give up on a port where another program listens.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};
use tls_config::ClientTls;

use super::{Probe, RESPONSE_TIMEOUT, connect};
use crate::connection::Broker;

const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;
const FRAME_END: u8 = 0xce;

/// Maximum frame size, far above that of any handshake frame. A larger frame is not AMQP.
const MAX_FRAME_BYTES: u32 = 128 * 1024;

/// Class and method numbers of AMQP 0-9-1.
type Method = (u16, u16);
const START: Method = (10, 10);
const START_OK: Method = (10, 11);
const TUNE: Method = (10, 30);
const TUNE_OK: Method = (10, 31);
const OPEN: Method = (10, 40);
const OPEN_OK: Method = (10, 41);
const CLOSE: Method = (10, 50);
const CLOSE_OK: Method = (10, 51);

/// Logs in and opens the vhost.
pub(super) fn probe(broker: &Broker) -> Probe {
    let mut stream = match connect(&broker.host, broker.port) {
        Ok(stream) => stream,
        Err(error) => return Probe::Unreachable(error.to_string()),
    };
    let shaken = match &broker.tls {
        None => handshake(&mut stream, broker),
        Some(tls) => encrypt(stream, broker, tls)
            .and_then(|mut stream| handshake(&mut stream, broker))
            .or_else(|error| match tls_config::tls_error(&error) {
                Some(cause) => Ok(Probe::Refused(tls_config::explain(cause, tls.options()))),
                None => Err(error),
            }),
    };
    match shaken {
        Ok(probe_result) => probe_result,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Probe::NotReady(format!(
                "no response within {} s",
                RESPONSE_TIMEOUT.as_secs()
            ))
        }
        Err(error) => Probe::NotReady(error.to_string()),
    }
}

/// Begins TLS; the handshake is done with the first bytes.
fn encrypt(
    stream: TcpStream,
    broker: &Broker,
    tls: &ClientTls,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ClientTls::server_name(&broker.host).map_err(std::io::Error::other)?;
    let config = tls.config().map_err(std::io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(std::io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

fn handshake(stream: &mut (impl Read + Write), broker: &Broker) -> std::io::Result<Probe> {
    stream.write_all(PROTOCOL_HEADER)?;
    if read_method(stream)?.0 != START {
        return Err(protocol_error());
    }
    let mut login = Vec::new();
    login.extend(0_u32.to_be_bytes());
    short_text(&mut login, "PLAIN");
    let response = format!("\0{}\0{}", broker.user, broker.password);
    login.extend(u32::try_from(response.len()).unwrap_or(0).to_be_bytes());
    login.extend(response.as_bytes());
    short_text(&mut login, "en_US");
    write_method(stream, START_OK, &login)?;
    // If a client does not support authentication failure notifications, the broker closes its connection after a refused
    // login (AMQP 0-9-1, section 2.2.4).
    let refused = || Probe::Refused(format!("invalid credentials of user {}", broker.user));
    let limits = match read_method(stream) {
        Ok((TUNE, limits)) => limits,
        Ok((CLOSE, _)) => return Ok(refused()),
        Ok(_) => return Err(protocol_error()),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
            ) =>
        {
            return Ok(refused());
        }
        Err(error) => return Err(error),
    };
    write_method(stream, TUNE_OK, &limits)?;
    let mut open = Vec::new();
    short_text(&mut open, &broker.vhost);
    open.extend([0, 0]);
    write_method(stream, OPEN, &open)?;
    let probe_result = match read_method(stream)? {
        (OPEN_OK, _) => Probe::Ready,
        (CLOSE, reason) => {
            write_method(stream, CLOSE_OK, &[])?;
            return Ok(Probe::Refused(close_reason(&reason)));
        }
        _ => return Err(protocol_error()),
    };
    // Reply code 200 without text or failed method. The response is not needed.
    write_method(stream, CLOSE, b"\x00\xc8\x00\x00\x00\x00\x00")?;
    let _ = read_method(stream);
    Ok(probe_result)
}

fn protocol_error() -> std::io::Error {
    std::io::Error::new(
        ErrorKind::InvalidData,
        "the program that listens there does not speak AMQP 0-9-1",
    )
}

fn short_text(into: &mut Vec<u8>, text: &str) {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    into.push(length);
    into.extend(&text.as_bytes()[..usize::from(length)]);
}

fn close_reason(arguments: &[u8]) -> String {
    let text = arguments.get(3..).unwrap_or_default();
    let length = arguments.get(2).map_or(0, |&length| usize::from(length));
    String::from_utf8_lossy(&text[..length.min(text.len())]).into_owned()
}

fn write_method(stream: &mut impl Write, method: Method, arguments: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(arguments.len() + 4).unwrap_or(u32::MAX);
    let mut frame = vec![METHOD_FRAME, 0, 0];
    frame.extend(length.to_be_bytes());
    frame.extend(method.0.to_be_bytes());
    frame.extend(method.1.to_be_bytes());
    frame.extend(arguments);
    frame.push(FRAME_END);
    stream.write_all(&frame)
}

fn read_method(stream: &mut impl Read) -> std::io::Result<(Method, Vec<u8>)> {
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let [kind, _, _, length @ ..] = head;
    let length = u32::from_be_bytes(length);
    if kind != METHOD_FRAME || !(4..=MAX_FRAME_BYTES).contains(&length) {
        return Err(protocol_error());
    }
    let mut payload = vec![0; length as usize + 1];
    stream.read_exact(&mut payload)?;
    if payload.pop() != Some(FRAME_END) {
        return Err(protocol_error());
    }
    let arguments = payload.split_off(4);
    let class = u16::from_be_bytes([payload[0], payload[1]]);
    let method = u16::from_be_bytes([payload[2], payload[3]]);
    Ok(((class, method), arguments))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use settings::Settings;

    use super::*;
    use crate::endpoints;

    fn broker() -> Broker {
        Broker::of(&Settings::load(None).unwrap().rabbitmq).unwrap()
    }

    #[test]
    fn real_server_accepts_only_the_correct_password_and_vhost() {
        assert_eq!(probe(&broker()), Probe::Ready);
        let wrong_password = Broker {
            password: "wrong".to_owned(),
            ..broker()
        };
        assert!(matches!(probe(&wrong_password), Probe::Refused(_)));
        let wrong_vhost = Broker {
            vhost: "no-such-vhost".to_owned(),
            ..broker()
        };
        let probe_result = probe(&wrong_vhost);
        assert!(
            matches!(&probe_result, Probe::Refused(reason) if reason.contains("no-such-vhost")),
            "{probe_result:?}"
        );
    }

    #[test]
    fn closed_port_is_unreachable() {
        let port = endpoints::free_address().unwrap().port();
        let probe_result = probe(&Broker { port, ..broker() });
        assert!(matches!(probe_result, Probe::Unreachable(_)));
    }

    #[test]
    fn open_port_without_the_protocol_is_not_ready() {
        for response in [
            &b""[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"AMQP\x00\x01\x00\x00",
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(response).unwrap();
            });
            let probe_result = probe(&Broker { port, ..broker() });
            assert!(
                matches!(probe_result, Probe::NotReady(_)),
                "{probe_result:?}"
            );
        }
    }
}
