//! `cargo xtask up`: runs the whole system on this machine until Ctrl-C.

use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use dev_env::children::{Children, Exited};
use dev_env::endpoints;
use dev_env::programs::{self, ADMIN, API, MOCK_VENDOR, Profile, WORKER};
use dev_env::services;
use dev_env::stop_signals::StopSignals;
use mock_vendor::original;
use settings::Settings;
use wiring::trial::RunningApi;
use workspace::process;

const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// Time after a program's shutdown timeout until the program is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build with optimisations.
    #[arg(long)]
    release: bool,
}

/// Runs the command. `config` is passed to the programs.
pub(crate) fn run(args: &Args, settings: &Settings, config: Option<&Path>) -> Result<()> {
    let mocks = original::read_from(settings.vendors.iter().map(|vendor| vendor.source.url()));
    let api = SocketAddr::new(settings.api.address, settings.api.port);
    let worker = SocketAddr::new(settings.worker.address, settings.worker.port);
    check_free(api, "the API", "PORT")?;
    check_free(worker, "the worker", "WORKER_PORT")?;
    for (vendor, address) in &mocks {
        let what = format!("mock vendor {}", vendor.name);
        check_free(*address, &what, "the vendor's url")?;
    }
    services::start(settings)?;
    let profile = if args.release {
        Profile::Release
    } else {
        Profile::Dev
    };
    let programs = programs::build(&[ADMIN, API, WORKER, MOCK_VENDOR], profile)?;

    let config_args: Vec<OsString> = config
        .into_iter()
        .flat_map(|file| ["--config".into(), file.as_os_str().to_owned()])
        .collect();
    let mut migrate = std::process::Command::new(programs.path(ADMIN)?);
    process::run(migrate.args(&config_args).arg("migrate"))?;
    // Start the vendors first: a worker that cannot reach them would wait for its next sync.
    let mut starts = vec![("api", API), ("worker", WORKER)];
    if !mocks.is_empty() {
        starts.insert(0, ("mock-vendor", MOCK_VENDOR));
    }
    let stop_within = settings
        .api
        .shutdown_timeout
        .max(settings.worker.shutdown_timeout)
        + GRACE;
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut stop = StopSignals::new()?;
        let mut children = Children::default();
        let outcome = async {
            for (name, program) in starts {
                children.start(name, programs.path(program)?, &config_args, &[])?;
            }
            watch(&mut children, &mut stop, &endpoints::api(settings), worker).await
        }
        .await;
        eprintln!("stopping all programs");
        let graceful = children.stop(stop_within, stop.next()).await;
        eprintln!(
            "{}",
            if graceful {
                "all programs stopped"
            } else {
                "all programs stopped, some of them were killed"
            }
        );
        outcome
    })
}

/// Waits for readiness, then for a signal. Fails if a program exits without a signal.
async fn watch(
    children: &mut Children,
    stop: &mut StopSignals,
    api: &RunningApi,
    worker: SocketAddr,
) -> Result<()> {
    let ready = async {
        tokio::time::timeout(READY_TIMEOUT, async {
            endpoints::wait_until_ready(&api.url).await?;
            endpoints::wait_until_ready(&endpoints::http_url(worker)).await
        })
        .await
    };
    tokio::select! {
        () = stop.next() => return Ok(()),
        exited = children.next_exit() => bail!("{}", exit_line(&exited)),
        ready = ready => ready.with_context(|| {
            format!("not ready after {} s: see the output above", READY_TIMEOUT.as_secs())
        })??,
    }
    println!("{}", endpoints::ready_message(api));
    tokio::select! {
        () = stop.next() => Ok(()),
        exited = children.next_exit() => bail!("{}", exit_line(&exited)),
    }
}

fn exit_line(exited: &Exited) -> String {
    format!("{} exited unexpectedly with {}", exited.name, exited.status)
}

fn check_free(address: SocketAddr, what: &str, setting: &str) -> Result<()> {
    if address.port() == 0 {
        bail!("{what} needs a fixed port: change {setting}");
    }
    match TcpListener::bind(address) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "{what} cannot listen on {address} ({error}): stop the program that uses the port, or change {setting}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_is_reported_with_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = check_free(address, "the API", "PORT")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains("change PORT"),
            "{error}"
        );
        drop(taken);
        assert!(check_free(address, "the API", "PORT").is_ok());
    }
}
