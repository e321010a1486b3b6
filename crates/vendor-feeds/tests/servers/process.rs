//! A server as a child process.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process_group};

/// The time in which a server must accept connections.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A server that ends with this value, with its own child processes.
pub(crate) struct ServerProcess {
    child: Child,
}

impl ServerProcess {
    /// Starts a server that listens on this port of the loopback address.
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let child = command.process_group(0).spawn().unwrap();
        let mut server = Self { child };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "{command:?} ended with {ended:?}");
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// Ends the server at once.
    pub(crate) fn kill(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port on which nothing listens.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Finds the program of a server.
pub(crate) fn program(name: &str) -> PathBuf {
    let directories = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::split_paths(&path);
    let found = directories.iter().map(PathBuf::from).chain(path);
    let mut found = found.map(|directory| directory.join(name));
    found
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed: run cargo xtask services"))
}

/// Whether the tests run as root. Servers then give up their rights for a login.
pub(crate) fn is_root() -> bool {
    getuid().is_root()
}

/// Lets every user read a directory: the server may run as another one.
pub(crate) fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, mode).unwrap();
}
