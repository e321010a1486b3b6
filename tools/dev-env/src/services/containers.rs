//! Starts servers in containers if they are not installed and cannot be installed.

use std::process::Command;

use anyhow::{Result, bail};
use progress::Progress;
use settings::Settings;
use workspace::process;

use super::started::Started;
use super::{Service, setting};
use crate::connection::Broker;

const FILE: &str = "deploy/compose.yaml";
const ENGINES: [&[&str]; 3] = [
    &["docker", "compose"],
    &["podman", "compose"],
    &["docker-compose"],
];

/// Starts services of the compose file on the ports of the settings.
pub(super) fn start(services: &[Service], settings: &Settings, broker: &Broker) -> Result<Started> {
    let Some(engine) = engine() else {
        let missing: Vec<String> = services.iter().map(Service::to_string).collect();
        let settings: Vec<&str> = services.iter().map(|service| setting(*service)).collect();
        bail!(
            "{} is not installed, and it can neither be installed nor run in a container here: install it, or set its \
             address with {}",
            missing.join(" and "),
            settings.join(" and ")
        );
    };
    let engine: Vec<String> = engine.iter().map(|&part| part.to_owned()).collect();
    let names: Vec<String> = services
        .iter()
        .map(|&service| name(service).to_owned())
        .collect();
    let progress = Progress::spinner(format!("starting {} in containers", names.join(" and ")));
    let database = &settings.database;
    let mut command = compose(&engine);
    command
        .args(["up", "--detach"])
        .args(&names)
        .env("DB_USER", &database.user)
        .env("DB_PORT", database.port.to_string())
        .env("RABBITMQ_PORT", broker.port.to_string())
        .env("RABBITMQ_USER", &broker.user)
        .env("RABBITMQ_PASSWORD", &broker.password)
        .env("RABBITMQ_VHOST", &broker.vhost);
    process::capture(&mut command)?;
    let started = Started::Containers {
        engine,
        services: names,
    };
    progress.finish(&format!("started {started}"));
    Ok(started)
}

/// Stops services that were started by this program.
pub(super) fn stop(engine: &[String], services: &[String]) -> Result<()> {
    process::capture(compose(engine).arg("stop").args(services))?;
    Ok(())
}

fn engine() -> Option<&'static [&'static str]> {
    let works = |engine: &&&[&str]| {
        // `compose version` works without a running engine; listing containers does not.
        let mut list = command(engine);
        process::succeeds(list.args(["-f", FILE, "ps"]))
    };
    ENGINES.iter().find(works).copied()
}

fn compose(engine: &[String]) -> Command {
    let mut command = command(engine);
    command.args(["-f", FILE]);
    command
}

fn command<T: AsRef<str>>(engine: &[T]) -> Command {
    let mut parts = engine.iter().map(AsRef::as_ref);
    let mut command = Command::new(parts.next().unwrap_or_default());
    command.args(parts);
    command
}

fn name(service: Service) -> &'static str {
    match service {
        Service::Postgres => "postgres",
        Service::RabbitMq => "rabbitmq",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_file_has_the_services() {
        let text = std::fs::read_to_string(workspace::root().join(FILE)).unwrap();
        for service in [Service::Postgres, Service::RabbitMq] {
            let line = format!("  {}:", name(service));
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
