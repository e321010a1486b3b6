//! Whether RabbitMQ answers and lets us in: the AMQP 0-9-1 handshake up to the opened vhost, not only an open port.
//!
//! A dozen bytes each way are written by hand: a client library would apply_if_new its own reconnecting, threads and timeouts
//! into a program that asks one question.

use std::io::{ErrorKind, Read, Write};

use super::{ANSWER_WITHIN, Answer, connect};
use crate::connection::Broker;

const PROTOCOL_HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;
const FRAME_END: u8 = 0xce;

/// Far more than any frame of a handshake; what announces more is no AMQP.
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
pub(super) fn probe(broker: &Broker) -> Answer {
    let mut stream = match connect(&broker.host, broker.port) {
        Ok(stream) => stream,
        Err(error) => return Answer::Nobody(error.to_string()),
    };
    match shake_hands(&mut stream, broker) {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Answer::NotReady(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))
        }
        Err(error) => Answer::NotReady(error.to_string()),
    }
}

fn shake_hands(stream: &mut (impl Read + Write), broker: &Broker) -> std::io::Result<Answer> {
    stream.write_all(PROTOCOL_HEADER)?;
    if read_method(stream)?.0 != START {
        return Err(stranger());
    }
    let mut login = Vec::new();
    login.extend(0_u32.to_be_bytes());
    short_text(&mut login, "PLAIN");
    let response = format!("\0{}\0{}", broker.user, broker.password);
    login.extend(u32::try_from(response.len()).unwrap_or(0).to_be_bytes());
    login.extend(response.as_bytes());
    short_text(&mut login, "en_US");
    write_method(stream, START_OK, &login)?;
    // Without the capability to be told, a client whose login is refused finds its connection closed (AMQP 0-9-1,
    // section 2.2.4).
    let refused = || {
        Answer::Refused(format!(
            "it does not accept the password of user {}",
            broker.user
        ))
    };
    let limits = match read_method(stream) {
        Ok((TUNE, limits)) => limits,
        Ok((CLOSE, _)) => return Ok(refused()),
        Ok(_) => return Err(stranger()),
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
    let answer = match read_method(stream)? {
        (OPEN_OK, _) => Answer::Ready,
        (CLOSE, reason) => {
            write_method(stream, CLOSE_OK, &[])?;
            return Ok(Answer::Refused(close_reason(&reason)));
        }
        _ => return Err(stranger()),
    };
    // Reply code 200, no text, no method at fault. Whether the answer to that is still read does not matter.
    write_method(stream, CLOSE, b"\x00\xc8\x00\x00\x00\x00\x00")?;
    let _ = read_method(stream);
    Ok(answer)
}

fn stranger() -> std::io::Error {
    std::io::Error::new(
        ErrorKind::InvalidData,
        "what listens there does not talk AMQP 0-9-1",
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
        return Err(stranger());
    }
    let mut payload = vec![0; length as usize + 1];
    stream.read_exact(&mut payload)?;
    if payload.pop() != Some(FRAME_END) {
        return Err(stranger());
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

    fn broker() -> Broker {
        Broker::of(&Settings::load(None).unwrap().rabbitmq).unwrap()
    }

    #[test]
    fn a_real_server_lets_us_in_with_the_right_password_only() {
        assert_eq!(probe(&broker()), Answer::Ready);
        let wrong_password = Broker {
            password: "wrong".to_owned(),
            ..broker()
        };
        assert!(matches!(probe(&wrong_password), Answer::Refused(_)));
        let wrong_vhost = Broker {
            vhost: "no-such-vhost".to_owned(),
            ..broker()
        };
        let answer = probe(&wrong_vhost);
        assert!(
            matches!(&answer, Answer::Refused(why) if why.contains("no-such-vhost")),
            "{answer:?}"
        );
    }

    #[test]
    fn a_closed_port_is_nobody() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        assert!(matches!(
            probe(&Broker {
                port: free,
                ..broker()
            }),
            Answer::Nobody(_)
        ));
    }

    #[test]
    fn an_open_port_is_not_enough() {
        for said in [
            &b""[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"AMQP\x00\x01\x00\x00",
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(said).unwrap();
            });
            let answer = probe(&Broker { port, ..broker() });
            assert!(matches!(answer, Answer::NotReady(_)), "{answer:?}");
        }
    }
}
