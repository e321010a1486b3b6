//! A TCP proxy in front of the broker that can cut, freeze and forge traffic.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use queue_rabbitmq::RabbitOptions;

/// Forwards all traffic until it is cut or frozen. Ends with the test process.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    frozen: AtomicBool,
    /// The sockets of the clients.
    clients: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Starts a proxy in front of the broker of these options.
    pub(crate) fn start(options: &RabbitOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let (host, broker_port) = (options.host.clone(), options.port);
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // Under the lock, so that `cut` either rejects this client or finds it in the list.
                let mut clients = shared.clients.lock().unwrap();
                if shared.cut.load(Ordering::SeqCst) {
                    continue;
                }
                let server = TcpStream::connect((host.as_str(), broker_port)).unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                clients.push(client.try_clone().unwrap());
                pass_on(&shared, &client, &server);
                pass_on(&shared, &server, &client);
            }
        });
        Self { port, state }
    }

    /// Returns the options with the address of this proxy.
    pub(crate) fn options(&self, options: RabbitOptions) -> RabbitOptions {
        RabbitOptions {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            ..options
        }
    }

    /// Closes all connections and returns how many were open; new ones are closed immediately.
    pub(crate) fn cut(&self) -> usize {
        let mut clients = self.state.clients.lock().unwrap();
        self.state.cut.store(true, Ordering::SeqCst);
        clients
            .drain(..)
            .filter(|client| client.shutdown(Shutdown::Both).is_ok())
            .count()
    }

    /// Accepts connections again after a cut.
    pub(crate) fn restore(&self) {
        self.state.cut.store(false, Ordering::SeqCst);
    }

    /// Keeps connections open but forwards nothing.
    pub(crate) fn freeze(&self) {
        self.state.frozen.store(true, Ordering::SeqCst);
    }

    /// Resumes forwarding, including the data held back.
    pub(crate) fn thaw(&self) {
        self.state.frozen.store(false, Ordering::SeqCst);
    }

    /// Sends a frame to all clients in place of the broker. No other traffic may be in progress.
    pub(crate) fn forge(&self, frame: &[u8]) {
        for mut client in self.state.clients.lock().unwrap().iter() {
            // Errors of closed connections are ignored.
            let _ = client.write_all(frame);
        }
    }
}

fn pass_on(state: &Arc<State>, from: &TcpStream, to: &TcpStream) {
    let state = Arc::clone(state);
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while state.frozen.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(2));
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
