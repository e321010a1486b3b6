//! State shared by the measurements of one run, and their order.

use std::path::PathBuf;

use anyhow::{Context, Result};
use dev_env::programs::Profile;
use progress::Progress;
use settings::Settings;
use tempfile::TempDir;

use super::against::{Build, Builds};
use super::choices::Spread;
use super::generator::{Load, Statuses};
use super::machine::Machine;
use super::measure::{Measured, as_f64, measure};
use super::pgbench::Pgbench;
use super::results::{Results, SERVICE};
use super::system::{Servers, Storage, System};
use super::topics::{
    Topic, ceilings, closed, crash, embedded, events, kept, open, overload, streams, waiting,
};
use super::{Args, Scale};

/// Number of connections for the CPU time of each stage and for the warm-up.
pub(super) const TYPICAL_CONNECTIONS: u32 = 64;

/// A benchmark run.
pub(super) struct Run {
    pub(super) settings: Settings,
    pub(super) builds: Builds,
    pub(super) profile: Profile,
    pub(super) scale: Scale,
    pub(super) results: Results,
    topics: Vec<Topic>,
    /// Directory of request files and logs.
    pub(super) dir: TempDir,
}

impl Run {
    pub(super) fn new(args: &Args, settings: &Settings, builds: Builds) -> Result<Self> {
        let scale = args.scale();
        let dir = tempfile::tempdir()?;
        for spread in [Spread::Hot, Spread::Uniform, Spread::Zipf] {
            spread.write(&dir.path().join(spread.name()))?;
        }
        let command = args.command_line();
        let mut machine = Machine::here(args.profile);
        machine.add("compared with", builds.description());
        Ok(Self {
            settings: settings.clone(),
            builds,
            profile: args.profile,
            results: Results::new(machine, command, scale.rounds, scale.seconds),
            scale,
            topics: args.topics(),
            dir,
        })
    }

    fn has(&self, topics: &[Topic]) -> bool {
        topics.iter().any(|topic| self.topics.contains(topic))
    }

    /// Measures the requested topics.
    pub(super) async fn measure_all(&mut self) -> Result<()> {
        if self.has(&[Topic::Ceilings]) {
            ceilings::run(self).await?;
        }
        if self.has(&[Topic::Hot, Topic::Uniform, Topic::Zipf, Topic::Open]) {
            let systems = self.start_systems("").await?;
            for topic in self.topics.clone() {
                match topic {
                    Topic::Hot => closed::run(self, &systems, Spread::Hot).await?,
                    Topic::Uniform => closed::run(self, &systems, Spread::Uniform).await?,
                    Topic::Zipf => closed::run(self, &systems, Spread::Zipf).await?,
                    Topic::Open => open::run(self, &systems).await?,
                    _ => {}
                }
            }
            for system in systems {
                system.stop().await?;
            }
        }
        for topic in self.topics.clone() {
            match topic {
                Topic::Overload => overload::run(self).await?,
                Topic::Waiting => waiting::run(self).await?,
                Topic::Events => events::run(self).await?,
                Topic::Crash => crash::run(self).await?,
                Topic::Kept => kept::run(self).await?,
                Topic::Streams => streams::run(self).await?,
                Topic::Standalone => embedded::run(self).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Creates a fresh database and virtual host, and adds the servers' versions to the report once.
    pub(super) async fn create_servers(&mut self, build: Build) -> Result<Servers> {
        let migrations = self.builds.migrations(build);
        let servers = Servers::create(&self.settings, migrations.as_deref()).await?;
        let machine = &mut self.results.machine;
        if !machine.0.iter().any(|(what, _)| what == "RabbitMQ") {
            servers.database().await?.describe(machine).await?;
            machine.add(
                "RabbitMQ",
                Some(servers.broker_version()? + ", quorum queues"),
            );
        }
        Ok(servers)
    }

    /// Starts API and worker of each build.
    async fn start_systems(&mut self, more: &str) -> Result<Vec<System>> {
        let mut systems = Vec::new();
        for build in self.builds.in_round(0) {
            systems.push(self.start_system(build, more).await?);
        }
        Ok(systems)
    }

    /// Starts API and worker of a build on fresh servers with additional settings, and warms them up.
    pub(super) async fn start_system(&mut self, build: Build, more: &str) -> Result<System> {
        let progress = Progress::spinner("starting API and worker on a fresh database");
        let servers = self.create_servers(build).await?;
        let system = System::start(&self.builds, build, servers, more).await?;
        self.warm_up(&system).await?;
        progress.finish("API and worker are ready and warmed up");
        Ok(system)
    }

    /// Runs a short load that is not counted, then updates the planner's statistics, as autovacuum would within a minute.
    pub(super) async fn warm_up(&self, system: &System) -> Result<()> {
        let mut load = self.orders(system, Spread::Uniform, TYPICAL_CONNECTIONS);
        load.seconds = self.scale.seconds.min(2);
        measure(system, &load).await.context("warming up")?;
        if let Storage::Servers(servers) = &system.storage {
            servers.database().await?.execute("VACUUM ANALYZE").await?;
        }
        Ok(())
    }

    pub(super) fn choices(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns a closed load of orders.
    pub(super) fn orders(&self, system: &System, spread: Spread, connections: u32) -> Load {
        Load {
            url: format!("http://{}", system.api),
            second: system.second_api,
            method: "POST",
            path: "/api/v1/order",
            choices: self.choices(spread.name()),
            connections,
            seconds: self.scale.seconds,
            rate_per_s: None,
            header: None,
            statuses: Statuses::Success,
        }
    }

    /// Measures the service under a load and records the common metrics.
    pub(super) async fn measure(
        &mut self,
        system: &System,
        topic: &str,
        what: &str,
        at: f64,
        load: &Load,
    ) -> Result<Measured> {
        let topic_of_build = system.build.topic(topic);
        let name = format!("{topic_of_build}: {what}, {}", describe_load(load));
        let progress = Progress::spinner(name.clone());
        let measured = measure(system, load).await.with_context(|| name.clone())?;
        let per_s = measured.settled_per_s();
        progress.finish(&format!("{name}: {per_s:.0} settled per second"));
        self.results
            .record_command(&format!("load: {topic}"), || load.command_line());
        let load_result = &measured.load_result;
        let ms = |us| as_f64(us) / 1000.0;
        let mut values = vec![
            ("settled_per_s", per_s),
            ("post_p50_ms", ms(load_result.p50_us)),
            ("post_p90_ms", ms(load_result.p90_us)),
            ("post_p99_ms", ms(load_result.p99_us)),
            ("post_max_ms", ms(load_result.max_us)),
        ];
        let settlement = measured.settlement;
        values.extend([
            ("settle_p50_ms", settlement.p50_ms),
            ("settle_p99_ms", settlement.p99_ms),
            ("settle_max_ms", settlement.max_ms),
        ]);
        if let Some(cpu) = measured.cpu() {
            values.extend([
                ("cpu_us", cpu.us_per_order),
                ("client_share", cpu.client_share),
                ("settled_per_cpu_s", cpu.settled_per_cpu_s),
            ]);
        }
        self.results.add_all((&topic_of_build, what, at), values);
        Ok(measured)
    }

    /// Runs pgbench at its maximum rate, and records its transactions per second as a metric of a topic and a program.
    pub(super) async fn pgbench(
        &mut self,
        servers: &Servers,
        pgbench: &Pgbench,
        name: &str,
        purpose: &str,
        (topic, what, metric): (&str, &str, &str),
    ) -> Result<()> {
        let name = format!("{name}, {} clients", pgbench.clients);
        let progress = Progress::spinner(name.clone());
        let per_s = pgbench.run(&servers.libpq_environment()).await?;
        progress.finish(&format!("{name}: {per_s:.0} per second"));
        self.results
            .record_command(purpose, || pgbench.command_line());
        let at = f64::from(pgbench.clients);
        self.results.add(topic, what, at, metric, per_s);
        Ok(())
    }

    /// Records the CPU time of each stage at a number of connections.
    pub(super) fn record_cpu(
        &mut self,
        system: &System,
        topic: &str,
        connections: u32,
        measured: &Measured,
    ) {
        let topic = system.build.topic(&format!("cpu {topic}"));
        let at = match connections {
            TYPICAL_CONNECTIONS => 0.0,
            more => f64::from(more),
        };
        let at = (&*topic, SERVICE, at);
        self.results.add_all(at, measured.cpu_us_per_order());
    }

    /// Runs the audit and fails on a finding. The data of another build is not audited: its schema may be an earlier one.
    pub(super) async fn audit(&self, system: &System) -> Result<()> {
        if system.build == Build::Other {
            return Ok(());
        }
        let progress = Progress::spinner("auditing");
        system.audit(&self.settings).await?;
        progress.finish("audit clean");
        Ok(())
    }
}

fn describe_load(load: &Load) -> String {
    match load.rate_per_s {
        Some(rate) => format!("{rate:.0} per second over {} connections", load.connections),
        None => format!("{} connections", load.connections),
    }
}
