//! `cargo xtask services`: makes PostgreSQL and RabbitMQ available at the addresses in the settings, and installs the servers
//! that tests start themselves.
//!
//! A server that is ready is used without changes. Otherwise, and only on this machine, a server is started: from installed
//! programs, from packages, or in containers, in this order. Started servers are recorded, so that `services stop` stops
//! only these.

mod containers;
pub mod debian;
mod file_servers;
mod postgres;
mod postgres_probe;
mod rabbitmq;
mod rabbitmq_node;
mod rabbitmq_probe;
mod started;
mod system_user;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Subcommand;
use progress::Progress;
use settings::Settings;

use crate::connection::{self, Broker};
use started::{Started, StartedList};

const READY_TIMEOUT: Duration = Duration::from_mins(1);
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// Timeout of each response of a server.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Arguments of `services`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Action {
    /// Start servers that are not running, wait until they are ready, and install those that tests start (default).
    Start,
    /// Stop the servers that this command started. Their data is kept.
    Stop,
    /// Show the status of the servers. Fails unless all are ready.
    Status,
    /// As `start`, and print the environment variables with which tests use the servers, as JSON.
    Environment,
}

/// Runs the command.
pub fn run(args: &Args, settings: &Settings) -> Result<()> {
    match args.action.unwrap_or(Action::Start) {
        Action::Start => {
            start(settings)?;
            file_servers::install()
        }
        Action::Stop => stop(),
        Action::Status => status(settings),
        Action::Environment => {
            start(settings)?;
            file_servers::install()?;
            println!("{}", serde_json::to_string(&environment(settings)?)?);
            Ok(())
        }
    }
}

/// Result of probing a server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Probe {
    /// The server is running and accepts the login.
    Ready,
    /// The connection failed.
    Unreachable(String),
    /// The server is running but refuses the login.
    Refused(String),
    /// The server is not ready, or another program listens on the port.
    NotReady(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Postgres,
    RabbitMq,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::RabbitMq => "RabbitMQ",
        })
    }
}

/// The servers in the settings.
struct Servers<'a> {
    settings: &'a Settings,
    broker: Broker,
}

impl<'a> Servers<'a> {
    fn new(settings: &'a Settings) -> Result<Self> {
        let broker = Broker::of(&settings.rabbitmq)?;
        Ok(Self { settings, broker })
    }

    fn address(&self, service: Service) -> (&str, u16) {
        match service {
            Service::Postgres => (&self.settings.database.host, self.settings.database.port),
            Service::RabbitMq => (&self.broker.host, self.broker.port),
        }
    }

    fn probe(&self, service: Service) -> Probe {
        match service {
            Service::Postgres => postgres_probe::probe(&self.settings.database),
            Service::RabbitMq => rabbitmq_probe::probe(&self.broker),
        }
    }

    /// Starts a server from installed programs. Returns `None` if they are not installed.
    fn start_installed(&self, service: Service) -> Result<Option<Started>> {
        match service {
            Service::Postgres => postgres::start(&self.settings.database),
            Service::RabbitMq => rabbitmq::start(&self.broker),
        }
    }

    fn line(&self, service: Service, probe_result: &Probe) -> String {
        let (host, port) = self.address(service);
        match probe_result {
            Probe::Ready => format!("{service} is ready at {host}:{port}"),
            Probe::Unreachable(reason) => {
                format!("{service} is not reachable at {host}:{port}: {reason}")
            }
            Probe::Refused(reason) => {
                format!("{service} at {host}:{port} refuses the login: {reason}")
            }
            Probe::NotReady(reason) => format!("{service} is not ready at {host}:{port}: {reason}"),
        }
    }

    fn wait_until_ready(&self, service: Service) -> Result<()> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let progress = Progress::spinner(format!("waiting for {service}"));
        loop {
            let probe_result = self.probe(service);
            match probe_result {
                Probe::Ready => {
                    progress.finish(&self.line(service, &probe_result));
                    return Ok(());
                }
                // Retrying does not help against a wrong password.
                Probe::Refused(_) => bail!("{}", self.line(service, &probe_result)),
                _ if Instant::now() > deadline => {
                    let seconds = READY_TIMEOUT.as_secs();
                    bail!("after {seconds} s, {}", self.line(service, &probe_result));
                }
                _ => std::thread::sleep(POLL_INTERVAL),
            }
        }
    }
}

/// Connects to the first reachable address of a host, with read and write timeouts.
fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, RESPONSE_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
                stream.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Starts servers that are not running, and waits until they are ready.
pub fn start(settings: &Settings) -> Result<()> {
    let servers = Servers::new(settings)?;
    let mut missing = Vec::new();
    for service in [Service::Postgres, Service::RabbitMq] {
        let probe_result = servers.probe(service);
        match &probe_result {
            Probe::Ready => eprintln!("{}", servers.line(service, &probe_result)),
            Probe::Unreachable(_) if connection::is_local(servers.address(service).0) => {
                missing.push(service);
            }
            Probe::Unreachable(_) => {
                let line = servers.line(service, &probe_result);
                bail!(
                    "{line}; this is another machine: start the server there, or change {}",
                    setting(service)
                );
            }
            // The server may be starting.
            Probe::NotReady(_) => servers.wait_until_ready(service)?,
            Probe::Refused(_) => {
                let line = servers.line(service, &probe_result);
                bail!("{line}; change {}", setting(service));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut list = StartedList::load(&workspace::root())?;
    let mut in_containers = Vec::new();
    for &service in &missing {
        match start_native(&servers, service)? {
            Some(started) => list.add(started)?,
            None => in_containers.push(service),
        }
    }
    if !in_containers.is_empty() {
        list.add(containers::start(
            &in_containers,
            settings,
            &servers.broker,
        )?)?;
    }
    missing
        .into_iter()
        .try_for_each(|service| servers.wait_until_ready(service))
}

fn start_native(servers: &Servers<'_>, service: Service) -> Result<Option<Started>> {
    if let Some(started) = servers.start_installed(service)? {
        return Ok(Some(started));
    }
    if !debian::can_install() {
        return Ok(None);
    }
    debian::install(service)?;
    servers.start_installed(service)
}

fn setting(service: Service) -> &'static str {
    match service {
        Service::Postgres => "DB_HOST, DB_PORT, DB_USER or DB_PASSWORD",
        Service::RabbitMq => "RABBITMQ_URL",
    }
}

fn stop() -> Result<()> {
    let mut list = StartedList::load(&workspace::root())?;
    if list.is_empty() {
        println!("no services to stop");
    }
    while let Some(started) = list.last() {
        match started {
            Started::Cluster { programs, data } => postgres::stop(programs, data)?,
            Started::Node { name, control, .. } => rabbitmq::stop(name.as_deref(), control)?,
            Started::Containers { engine, services } => containers::stop(engine, services)?,
        }
        println!("stopped {started}");
        list.remove_last()?;
    }
    Ok(())
}

fn status(settings: &Settings) -> Result<()> {
    let servers = Servers::new(settings)?;
    let mut all_ready = true;
    for service in [Service::Postgres, Service::RabbitMq] {
        let probe_result = servers.probe(service);
        println!("{}", servers.line(service, &probe_result));
        all_ready &= probe_result == Probe::Ready;
    }
    for started in StartedList::load(&workspace::root())?.iter() {
        println!("started by this command: {started}");
    }
    if !all_ready {
        bail!("not all services are ready; run `cargo xtask services` to start them");
    }
    Ok(())
}

/// Returns the environment variables with which tests use the servers.
fn environment(settings: &Settings) -> Result<BTreeMap<&'static str, String>> {
    let mut variables = BTreeMap::from_iter(connection::environment(settings));
    if let Some(name) = own_node_name(settings)? {
        variables.insert("RABBITMQ_NODENAME", name);
    }
    Ok(variables)
}

/// Returns the name of the RabbitMQ node that was started for these settings with a non-default name. `rabbitmqctl` needs it
/// in `RABBITMQ_NODENAME`.
pub fn own_node_name(settings: &Settings) -> Result<Option<String>> {
    let broker = Broker::of(&settings.rabbitmq)?;
    let list = StartedList::load(&workspace::root())?;
    Ok(list.iter().find_map(|started| match started {
        Started::Node { name, port, .. } if *port == broker.port => name.clone(),
        _ => None,
    }))
}
