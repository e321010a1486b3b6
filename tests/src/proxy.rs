//! An in-process TCP proxy that can close its connections and change its target.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Whether new connections are forwarded, and the number of cuts so far. A cut closes all connections that are open at that
/// instant, even if the proxy is restored immediately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ForwardState {
    open: bool,
    cuts: u64,
}

/// Forwards connections to a target until they are cut.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<ForwardState>>,
    target: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free loopback port.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(
            watch::channel(ForwardState {
                open: true,
                cuts: 0,
            })
            .0,
        );
        let target = Arc::new(Mutex::new(target));
        let task = tokio::spawn(accept(listener, Arc::clone(&target), Arc::clone(&state)));
        Self {
            address,
            state,
            target,
            task,
        }
    }

    /// Returns the address that the proxy listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and rejects new ones until [`Self::restore`].
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            state.open = false;
            state.cuts += 1;
        });
    }

    /// Sets the target of new connections. Open connections keep their target.
    pub fn set_target(&self, target: String) {
        *self.target.lock().unwrap() = target;
    }

    /// Forwards new connections again.
    pub fn restore(&self) {
        self.state.send_modify(|state| state.open = true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    target: Arc<Mutex<String>>,
    state: Arc<watch::Sender<ForwardState>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let ForwardState { open, cuts } = *state.borrow();
        if open {
            let target = target.lock().unwrap().clone();
            tokio::spawn(forward(client, target, state.subscribe(), cuts));
        }
    }
}

async fn forward(
    mut client: TcpStream,
    target: String,
    mut state: watch::Receiver<ForwardState>,
    cuts: u64,
) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = state.wait_for(|state| state.cuts > cuts) => {}
    }
}
