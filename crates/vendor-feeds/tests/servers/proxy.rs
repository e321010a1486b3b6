//! A proxy that cuts connections, as a server does that ends in the middle of a transfer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards connections to a port, until this number of bytes was received from the server.
pub(crate) struct CuttingProxy {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl CuttingProxy {
    pub(crate) async fn start(target: u16, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                forward(client, server, bytes).await;
            }
        });
        Self { port, task }
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, server: TcpStream, mut left: usize) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        // The end of the requests does not end the responses.
        std::future::pending::<()>().await;
    };
    let responses = async move {
        let mut buffer = vec![0; 4096];
        while left > 0 {
            let length = from_server.read(&mut buffer).await.unwrap_or(0).min(left);
            if length == 0 || to_client.write_all(&buffer[..length]).await.is_err() {
                break;
            }
            left -= length;
        }
    };
    tokio::select! {
        () = requests => {}
        () = responses => {}
    }
}
