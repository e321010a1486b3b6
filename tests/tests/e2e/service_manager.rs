//! A program as a service of systemd: notifications, the watchdog, a socket that is passed to it, and `--health`.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use tests::{Standalone, binary_path};

/// Receives one notification.
fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4_096];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
}

fn notify_socket(dir: &std::path::Path) -> (UnixDatagram, String) {
    let path = dir.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    (socket, path.display().to_string())
}

#[tokio::test]
async fn service_manager_is_notified_of_start_watchdog_and_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, path) = notify_socket(dir.path());
    let environment = [
        ("NOTIFY_SOCKET", path),
        ("WATCHDOG_USEC", "2000000".to_owned()),
    ];
    let mut standalone = Standalone::start_with("vendors = []").await;
    assert!(standalone.process.terminate().await);
    let data = standalone.data();
    let arguments = ["--data", data.to_str().unwrap(), "--port", "0"];
    let mut service = standalone.start_another("service", &arguments, &environment);
    assert_eq!(receive(&socket), "READY=1\nSTATUS=ready");
    assert_eq!(receive(&socket), "WATCHDOG=1");
    assert_eq!(receive(&socket), "WATCHDOG=1");
    assert!(service.terminate().await, "{}", service.log());
    let last = std::iter::repeat_with(|| receive(&socket)).find(|text| text != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[tokio::test]
async fn connection_to_a_passed_socket_waits_while_the_program_restarts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("shop.db");
    let start = || {
        // The socket is file descriptor 3, as sd_listen_fds(3) defines.
        let script = r#"exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@""#;
        let passed: OwnedFd = listener.try_clone().unwrap().into();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(binary_path("order-aggregator"))
            .args(["--no-mock-vendors", "--data"])
            .arg(&data)
            // Another port, to show that it is not used.
            .args(["--port", "0"])
            .current_dir(dir.path())
            .stdin(Stdio::from(passed))
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .unwrap()
    };
    // Fails if another test of this process has installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = format!("http://127.0.0.1:{port}/healthz");
    let request = || reqwest::get(&url);

    let mut first = start();
    assert_eq!(request().await.unwrap().status(), 200);
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(first.wait().unwrap().success());

    // Sent while no program runs.
    let waiting_url = url.clone();
    let waiting = tokio::spawn(async move { reqwest::get(&waiting_url).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    let mut second = start();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    second.kill().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn health_option_succeeds_while_the_program_is_ready() {
    let mut standalone = Standalone::start_with("vendors = []").await;
    standalone.ready().await;
    let port = standalone.port().to_string();
    let arguments = ["--health", "--port", &port];
    let mut healthy = standalone.start_another("healthy", &arguments, &[]);
    assert!(healthy.wait().await, "{}", healthy.log());

    assert!(standalone.process.terminate().await);
    let mut stopped = standalone.start_another("stopped", &arguments, &[]);
    assert!(!stopped.wait().await);
    let log = stopped.log();
    assert!(
        log.starts_with("order-aggregator: http://127.0.0.1:"),
        "{log}"
    );
    assert!(log.contains("/readyz does not respond"), "{log}");
}

#[tokio::test]
async fn version_is_one_line_with_the_name_of_the_program() {
    for program in [
        "order-aggregator",
        "order-aggregator-api",
        "order-aggregator-worker",
        "order-aggregator-admin",
        "order-aggregator-mock-vendor",
    ] {
        let output = Command::new(binary_path(program))
            .arg("--version")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = format!("{program} {}", env!("CARGO_PKG_VERSION"));
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
