//! Description of the machine and the software versions.

use std::process::Command;

use serde::{Deserialize, Serialize};
use workspace::process;

/// Name and value pairs for the head of the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine(pub(super) Vec<(String, String)>);

impl Machine {
    /// Returns the properties that need no server.
    pub(super) fn here() -> Self {
        let mut machine = Self::default();
        machine.add("CPU", cpu_model(&read("/proc/cpuinfo")));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        machine.add("cores", Some(cores.to_string()));
        machine.add("memory", memory(&read("/proc/meminfo")));
        machine.add("kernel", Some(read("/proc/sys/kernel/osrelease")));
        machine.add("Rust", first_line("rustc", &["--version"]));
        machine.add(
            "commit",
            first_line("git", &["rev-parse", "--short", "HEAD"]),
        );
        let profile = super::PROFILE.name();
        let build = format!("`cargo build --profile {profile}`");
        machine.add("build", Some(build));
        machine.add("wrk", wrk_version());
        machine.add("pgbench", first_line("pgbench", &["--version"]));
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

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory(meminfo: &str) -> Option<String> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{} MiB", kib / 1024))
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
    fn cpu_and_memory_are_read() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: A CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: A CPU\n";
        assert_eq!(cpu_model(cpuinfo).as_deref(), Some("A CPU @ 3 GHz"));
        assert_eq!(
            memory("MemTotal:       24000000 kB\n").as_deref(),
            Some("23437 MiB")
        );
        assert_eq!((cpu_model(""), memory("")), (None, None));
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
