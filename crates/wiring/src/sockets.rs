//! Listening sockets that systemd opened and passed to the process (`sd_listen_fds(3)`). They stay open while the process
//! restarts, so that no connection is refused in the meantime.

use std::net::TcpListener;

use anyhow::Context as _;
use listenfd::ListenFd;

/// Takes the TCP socket that was passed to the process; `None` if there is none. MUST be called before other threads are
/// started, because it removes the variables that describe the socket.
///
/// # Errors
/// More than one socket was passed, or the socket is not a listening TCP socket.
pub fn take_listener() -> anyhow::Result<Option<TcpListener>> {
    let mut passed = ListenFd::from_env();
    anyhow::ensure!(
        passed.len() <= 1,
        "the service manager passed {} sockets; expected one",
        passed.len()
    );
    if passed.len() == 0 {
        return Ok(None);
    }
    let listener = passed.take_tcp_listener(0);
    listener.context("the socket that the service manager passed is not a TCP socket")
}
