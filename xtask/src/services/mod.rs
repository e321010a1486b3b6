//! `cargo xtask services`: sees to it that PostgreSQL and RabbitMQ answer where the settings say.
//!
//! A server that answers is used as it is and never touched. Otherwise, and only on this machine, one is started: from
//! installed programs, from packages, or in containers, in this order. What was started is written down, so that
//! `services stop` stops that and nothing else.

mod containers;
pub(crate) mod debian;
mod postgres;
mod postgres_probe;
mod rabbitmq;
mod rabbitmq_node;
mod rabbitmq_probe;
mod started;
mod system_user;

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Subcommand;
use settings::Settings;

use crate::connection::{self, Broker};
use crate::progress::Progress;
use crate::workspace;
use started::{Started, StartedList};

const READY_WITHIN: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long a server may take for each of its answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What to do with the services.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Action {
    /// Start what does not answer, and wait until it does (this is the default).
    Start,
    /// Stop what was started here before; its data stays.
    Stop,
    /// Say what answers; fails unless everything does.
    Status,
}

/// Runs the command.
pub(crate) fn run(args: &Args, settings: &Settings) -> Result<()> {
    match args.action.unwrap_or(Action::Start) {
        Action::Start => start(settings),
        Action::Stop => stop(),
        Action::Status => status(settings),
    }
}

/// What is found where a server should be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// It is there and lets us in.
    Ready,
    /// Nothing listens there.
    Nobody(String),
    /// It is there, but will not let us in.
    Refused(String),
    /// It is there but not ready, or is something else.
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

/// The servers that the settings name.
struct Servers<'a> {
    settings: &'a Settings,
    broker: Broker,
}

impl<'a> Servers<'a> {
    fn new(settings: &'a Settings) -> Result<Self> {
        let broker = Broker::of(&settings.rabbitmq)?;
        Ok(Self { settings, broker })
    }

    fn place(&self, service: Service) -> (&str, u16) {
        match service {
            Service::Postgres => (&self.settings.database.host, self.settings.database.port),
            Service::RabbitMq => (&self.broker.host, self.broker.port),
        }
    }

    fn probe(&self, service: Service) -> Answer {
        match service {
            Service::Postgres => postgres_probe::probe(&self.settings.database),
            Service::RabbitMq => rabbitmq_probe::probe(&self.broker),
        }
    }

    /// Starts a server from installed programs; nothing if they are not installed.
    fn start_installed(&self, service: Service) -> Result<Option<Started>> {
        match service {
            Service::Postgres => postgres::start(&self.settings.database),
            Service::RabbitMq => rabbitmq::start(&self.broker),
        }
    }

    fn line(&self, service: Service, answer: &Answer) -> String {
        let (host, port) = self.place(service);
        match answer {
            Answer::Ready => format!("{service} answers at {host}:{port}"),
            Answer::Nobody(why) => format!("{service} does not answer at {host}:{port}: {why}"),
            Answer::Refused(why) => format!("{service} at {host}:{port} does not let us in: {why}"),
            Answer::NotReady(why) => format!("{service} is not ready at {host}:{port}: {why}"),
        }
    }

    fn wait_until_ready(&self, service: Service) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        let progress = Progress::spinner(format!("waiting for {service}"));
        loop {
            let answer = self.probe(service);
            match answer {
                Answer::Ready => {
                    progress.finish(&self.line(service, &answer));
                    return Ok(());
                }
                // Waiting does not change a wrong password.
                Answer::Refused(_) => bail!("{}", self.line(service, &answer)),
                _ if Instant::now() > deadline => {
                    let seconds = READY_WITHIN.as_secs();
                    bail!("after {seconds} s, {}", self.line(service, &answer));
                }
                _ => std::thread::sleep(LOOK_EVERY),
            }
        }
    }
}

/// Connects to the first address of a host that lets us, with time limits for reading and writing.
fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, ANSWER_WITHIN) {
            Ok(stream) => {
                stream.set_read_timeout(Some(ANSWER_WITHIN))?;
                stream.set_write_timeout(Some(ANSWER_WITHIN))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Starts what does not answer, and waits until it does.
pub(crate) fn start(settings: &Settings) -> Result<()> {
    let servers = Servers::new(settings)?;
    let mut missing = Vec::new();
    for service in [Service::Postgres, Service::RabbitMq] {
        let answer = servers.probe(service);
        match &answer {
            Answer::Ready => eprintln!("{}", servers.line(service, &answer)),
            Answer::Nobody(_) if connection::is_local(servers.place(service).0) => {
                missing.push(service);
            }
            Answer::Nobody(_) => {
                let line = servers.line(service, &answer);
                bail!(
                    "{line}; that is another machine: start it there, or change {}",
                    setting(service)
                );
            }
            // It may be one that is just starting.
            Answer::NotReady(_) => servers.wait_until_ready(service)?,
            Answer::Refused(_) => {
                let line = servers.line(service, &answer);
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
        println!("nothing was started here");
    }
    while let Some(started) = list.last() {
        match started {
            Started::Cluster { .. } => postgres::stop(started)?,
            Started::Node { .. } => rabbitmq::stop(started)?,
            Started::Containers { .. } => containers::stop(started)?,
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
        let answer = servers.probe(service);
        println!("{}", servers.line(service, &answer));
        all_ready &= answer == Answer::Ready;
    }
    for started in StartedList::load(&workspace::root())?.iter() {
        println!("started here: {started}");
    }
    if !all_ready {
        bail!("not everything answers; `cargo xtask services` starts it");
    }
    Ok(())
}

/// The name of the RabbitMQ node that was started here under a name of its own for these settings. `rabbitmqctl` needs
/// it in `RABBITMQ_NODENAME`.
pub(crate) fn own_node_name(settings: &Settings) -> Result<Option<String>> {
    let broker = Broker::of(&settings.rabbitmq)?;
    let list = StartedList::load(&workspace::root())?;
    Ok(list.iter().find_map(|started| match started {
        Started::Node { name, port, .. } if *port == broker.port => name.clone(),
        _ => None,
    }))
}
