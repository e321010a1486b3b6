//! A TCP proxy in this process that can cut what it carries, and lead new connections to another server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Whether connections are carried, and how often they were cut: a cut holds for those that were open then, however soon
/// the next ones are carried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gate {
    open: bool,
    cuts: u64,
}

/// Carries connections to a server until they are cut.
pub struct Proxy {
    address: SocketAddr,
    gate: Arc<watch::Sender<Gate>>,
    target: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback interface.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(
            watch::channel(Gate {
                open: true,
                cuts: 0,
            })
            .0,
        );
        let target = Arc::new(Mutex::new(target));
        let task = tokio::spawn(accept(listener, Arc::clone(&target), Arc::clone(&gate)));
        Self {
            address,
            gate,
            target,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection, and each new one at once.
    pub fn cut(&self) {
        self.gate.send_modify(|gate| {
            gate.open = false;
            gate.cuts += 1;
        });
    }

    /// Leads new connections to another server; those that are open stay where they are.
    pub fn lead_to(&self, target: String) {
        *self.target.lock().unwrap() = target;
    }

    /// Carries new connections again.
    pub fn restore(&self) {
        self.gate.send_modify(|gate| gate.open = true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: Arc<Mutex<String>>, gate: Arc<watch::Sender<Gate>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Gate { open, cuts } = *gate.borrow();
        if open {
            let target = target.lock().unwrap().clone();
            tokio::spawn(carry(client, target, gate.subscribe(), cuts));
        }
    }
}

async fn carry(mut client: TcpStream, target: String, mut gate: watch::Receiver<Gate>, cuts: u64) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = gate.wait_for(|gate| gate.cuts > cuts) => {}
    }
}
