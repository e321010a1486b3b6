//! Probes RabbitMQ with the AMQP handshake up to the opened vhost, not only a TCP connection.

use amiquip::Error;

use super::{Probe, connect};
use crate::connection::{Broker, RESPONSE_TIMEOUT};

/// Logs in and opens the vhost.
pub(super) fn probe(broker: &Broker) -> Probe {
    let stream = match connect(&broker.host, broker.port) {
        Ok(stream) => stream,
        Err(error) => return Probe::Unreachable(error.to_string()),
    };
    match broker.log_in(stream) {
        Ok(connection) => {
            // The login succeeded, whatever the close handshake does.
            let _ = connection.close();
            Probe::Ready
        }
        Err(error) => classify(broker, &error),
    }
}

fn classify(broker: &Broker, error: &anyhow::Error) -> Probe {
    match error.downcast_ref() {
        Some(Error::InvalidCredentials | Error::ServerClosedConnection { code: 403, .. }) => {
            Probe::Refused(format!("invalid credentials of user {}", broker.user))
        }
        Some(Error::ServerClosedConnection { message, .. }) => Probe::Refused(message.clone()),
        Some(Error::ConnectionTimeout) => Probe::NotReady(format!(
            "no response within {} s",
            RESPONSE_TIMEOUT.as_secs()
        )),
        _ => Probe::NotReady(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
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
