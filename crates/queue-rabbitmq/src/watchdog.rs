//! Breaks the socket under a blocking call that takes too long.
//!
//! `amiquip` waits for an answer, or for room to write, without any limit of its own; a broker that is frozen or that
//! has stopped reading (`connection.blocked`) would hold its thread for minutes. Shutting the socket down makes every such
//! call return with an error at once.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing::warn;

/// Watches one thread's blocking calls, one at a time.
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
    /// When the watcher looks again by itself; `None`: it sleeps until it is told.
    wakes_at: Option<Instant>,
    ended: bool,
}

#[derive(Debug)]
struct Armed {
    deadline: Instant,
    socket: Arc<TcpStream>,
}

/// While this lives the socket is broken at the deadline.
#[derive(Debug)]
pub(crate) struct Guard {
    shared: Arc<Shared>,
    socket: Arc<TcpStream>,
}

impl Watchdog {
    /// Starts the watching thread.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        thread::Builder::new()
            .name(format!("{name}-watchdog"))
            .spawn(move || watched.watch())?;
        Ok(Self { shared })
    }

    /// Guards what follows until the guard is dropped. At most one guard at a time.
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
    /// Sets another deadline.
    pub(crate) fn renew(&self, deadline: Instant) {
        let mut state = self.shared.lock();
        state.armed = Some(Armed {
            deadline,
            socket: Arc::clone(&self.socket),
        });
        // A watcher that wakes earlier by itself finds the new deadline then: no need to disturb it for every call.
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
    /// Nothing in here can be left half done by a panic.
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
                warn!("a call to the broker takes too long; breaking the connection");
                // An error says that it is broken already.
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
    fn a_read_that_hangs_ends_at_the_deadline_and_not_before() {
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
    fn a_guard_that_was_dropped_or_renewed_breaks_nothing() {
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
