//! Description of the machine and the software versions.

use std::process::Command;

use dev_env::programs::Profile;
use procfs::{CpuInfo, Current as _, Meminfo};
use serde::{Deserialize, Serialize};
use workspace::process;

/// Name and value pairs for the head of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine(pub(super) Vec<(String, String)>);

impl Machine {
    /// Returns the properties that need no server.
    pub(super) fn here(profile: Profile) -> Self {
        let mut machine = Self::default();
        let cpus = CpuInfo::current().ok();
        let model = cpus.as_ref().and_then(|cpus| cpus.model_name(0));
        machine.add("CPU", model.map(str::to_owned));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        machine.add("cores", Some(cores.to_string()));
        let memory = Meminfo::current().ok();
        let mib = memory.map(|memory| format!("{} MiB", memory.mem_total >> 20));
        machine.add("memory", mib);
        machine.add(
            "kernel",
            std::fs::read_to_string("/proc/sys/kernel/osrelease").ok(),
        );
        machine.add("Rust", first_line("rustc", &["--version"]));
        machine.add(
            "commit",
            first_line("git", &["rev-parse", "--short", "HEAD"]),
        );
        let build = format!("`cargo build --profile {}`", profile.name());
        machine.add("build", Some(build));
        machine.add("wrk", wrk_version());
        machine.add("pgbench", first_line("pgbench", &["--version"]));
        machine.add("Redis", first_line("redis-server", &["--version"]));
        machine
    }

    /// Adds a property unless its value is missing or blank.
    pub(super) fn add(&mut self, name: &str, value: Option<String>) {
        let value = value.map(|value| value.trim().to_owned());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.push((name.to_owned(), value));
        }
    }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let printed = process::capture(Command::new(program).args(arguments)).ok()?;
    printed.lines().next().map(str::to_owned)
}

/// Returns wrk's version. `wrk -v` prints the version and exits with an error.
fn wrk_version() -> Option<String> {
    let output = Command::new("wrk").arg("-v").output().ok()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = printed.lines().next()?;
    Some(line.split(" Copyright").next().unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_memory_and_kernel_are_read() {
        let machine = Machine::here(Profile::Release);
        for name in ["memory", "kernel"] {
            assert!(machine.0.iter().any(|(found, _)| found == name), "{name}");
        }
    }

    #[test]
    fn unknown_properties_are_omitted() {
        let mut machine = Machine::default();
        machine.add("a", None);
        machine.add("b", Some(" \n".to_owned()));
        machine.add("c", Some("d\n".to_owned()));
        assert_eq!(machine.0, [("c".to_owned(), "d".to_owned())]);
    }
}
