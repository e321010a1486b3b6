//! Shuts the socket down when a blocking call exceeds its deadline.
//!
//! `amiquip` waits for a response, or for the socket to become writable, without a timeout; a broker that is frozen or
//! has stopped reading (`connection.blocked`) would block its thread for minutes. After a shutdown of the socket every
//! such call returns an error immediately.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// Watches the blocking calls of one thread, one at a time.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<Armed>,
    /// When the watcher wakes up next; `None` if it sleeps until it is notified.
    wakes_at: Option<Instant>,
    ended: bool,
}

#[derive(Debug)]
struct Armed {
    deadline: Instant,
    socket: Arc<TcpStream>,
}

/// Shuts the socket down at the deadline unless it is dropped before.
#[derive(Debug)]
pub(crate) struct Guard {
    shared: Arc<Shared>,
    socket: Arc<TcpStream>,
}

impl Watchdog {
    /// Starts the watchdog thread.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("{name}-watchdog"))
            .spawn(move || watched.watch())?;
        Ok(Self { shared })
    }

    /// Arms the watchdog until the returned guard is dropped. At most one guard may exist at a time.
    pub(crate) fn guard(&self, socket: &Arc<TcpStream>, deadline: Instant) -> Guard {
        let guard = Guard {
            shared: Arc::clone(&self.shared),
            socket: Arc::clone(socket),
        };
        guard.renew(deadline);
        guard
    }
}

impl Guard {
    /// Replaces the deadline.
    pub(crate) fn renew(&self, deadline: Instant) {
        let mut state = self.shared.lock();
        state.armed = Some(Armed {
            deadline,
            socket: Arc::clone(&self.socket),
        });
        // A watcher that wakes earlier reads the new deadline then, so it is not notified for every call.
        if state.wakes_at.is_none_or(|wakes_at| wakes_at > deadline) {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.lock().armed = None;
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    /// No update of the state can be left half done by a panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self) {
        let mut state = self.lock();
        while !state.ended {
            let now = Instant::now();
            if state.armed.as_ref().is_some_and(|it| it.deadline <= now)
                && let Some(armed) = state.armed.take()
            {
                warn!("call to the broker exceeded its deadline; shutting the connection down");
                // An error means that the socket is already closed.
                let _ = armed.socket.shutdown(Shutdown::Both);
            }
            state.wakes_at = state.armed.as_ref().map(|armed| armed.deadline);
            let sleep = state.wakes_at.map_or(Duration::MAX, |at| at - now);
            state = self
                .changed
                .wait_timeout(state, sleep)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Arc<TcpStream>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (far, _) = listener.accept().unwrap();
        (Arc::new(near), far)
    }

    #[test]
    fn a_blocked_read_ends_at_the_deadline_and_not_before() {
        let (near, _far) = pair();
        let watchdog = Watchdog::start("test").unwrap();
        let start = Instant::now();
        let _guard = watchdog.guard(&near, start + Duration::from_millis(80));
        assert_eq!(near.as_ref().read(&mut [0]).unwrap(), 0);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(80), "{took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }

    #[test]
    fn a_dropped_or_renewed_guard_keeps_the_connection() {
        let (near, _far) = pair();
        near.set_read_timeout(Some(Duration::from_millis(150)))
            .unwrap();
        let watchdog = Watchdog::start("test").unwrap();
        drop(watchdog.guard(&near, Instant::now() + Duration::from_millis(20)));
        let guard = watchdog.guard(&near, Instant::now() + Duration::from_millis(20));
        guard.renew(Instant::now() + Duration::from_secs(30));
        let error = near.as_ref().read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
