//! CPU time, peak memory and parents of processes, from `/proc`.

use std::collections::BTreeMap;

use procfs::process::{Process, Stat, all_processes};

use super::measure::as_f64;

fn stat(pid: i32) -> Option<Stat> {
    Process::new(pid).ok()?.stat().ok()
}

/// Returns the status of this process.
fn own_stat() -> Option<Stat> {
    Process::myself().ok()?.stat().ok()
}

/// Returns the clock ticks of a process in user and system mode.
fn ticks(stat: &Stat) -> u64 {
    stat.utime + stat.stime
}

/// Returns the clock ticks of the children that have exited and been waited for.
fn ticks_of_ended_children(stat: &Stat) -> u64 {
    u64::try_from(stat.cutime + stat.cstime).unwrap_or_default()
}

fn ticks_to_us(ticks: u64) -> u64 {
    ticks * 1_000_000 / procfs::ticks_per_second().max(1)
}

/// Returns the peak resident memory of a process in MiB.
pub(super) fn peak_memory_mib(pid: i32) -> Option<f64> {
    let kib = Process::new(pid).ok()?.status().ok()?.vmhwm?;
    Some(as_f64(kib) / 1024.0)
}

/// Returns the CPU time of this process, without its children.
pub(super) fn own_cpu_us() -> Option<u64> {
    Some(ticks_to_us(ticks(&own_stat()?)))
}

/// Returns the process id of the broker's Erlang VM, if it runs on this machine.
fn broker() -> Option<i32> {
    let is_broker = |process: &Process| {
        let boots = |arguments: Vec<String>| {
            let mut pairs = arguments.windows(2);
            pairs.any(|pair| pair[0].ends_with("rabbit") && pair[1].starts_with("boot"))
        };
        process.stat().is_ok_and(|stat| stat.comm == "beam.smp")
            && process.cmdline().is_ok_and(boots)
    };
    let mut processes = all_processes().ok()?.flatten();
    Some(processes.find(is_broker)?.pid())
}

/// Name of the load generator's stage.
pub(super) const CLIENT: &str = "client";
/// Names of the servers' stages.
pub(super) const SERVERS: [&str; 2] = ["PostgreSQL", "RabbitMQ"];

/// Processes of each stage whose CPU time is measured.
#[derive(Debug, Clone)]
pub(super) struct Stages {
    ours: Vec<(&'static str, i32)>,
    postmaster: Option<i32>,
    broker: Option<i32>,
}

impl Stages {
    /// Creates the stages. `backend` is the process of a PostgreSQL connection on this machine.
    pub(super) fn new(ours: Vec<(&'static str, i32)>, backend: Option<i32>) -> Self {
        let postmaster = backend
            .and_then(stat)
            .filter(|stat| stat.comm.starts_with("postgres"))
            .map(|stat| stat.ppid);
        let broker = backend.and_then(|_| broker());
        Self {
            ours,
            postmaster,
            broker,
        }
    }

    /// Returns the CPU time of each stage in µs. The load generator is a child of this process and counts once it has exited.
    pub(super) fn cpu_us(&self) -> BTreeMap<&'static str, u64> {
        let client = own_stat().map(|stat| (CLIENT, ticks_of_ended_children(&stat)));
        let broker = self.broker.map(|pid| (SERVERS[1], pid));
        let single = self.ours.iter().copied().chain(broker);
        let single = single.filter_map(|(name, pid)| Some((name, ticks(&stat(pid)?))));
        let postgres = self.postmaster.map(|pid| (SERVERS[0], tree_ticks(pid)));
        let stages = client.into_iter().chain(single).chain(postgres);
        stages
            .map(|(name, ticks)| (name, ticks_to_us(ticks)))
            .collect()
    }
}

/// Returns the clock ticks of a process, its running children and its exited children.
fn tree_ticks(head: i32) -> u64 {
    let processes = all_processes().into_iter().flatten().flatten();
    let stats = processes.filter_map(|process| process.stat().ok());
    let of = |stat: Stat| match &stat {
        stat if stat.pid == head => ticks(stat) + ticks_of_ended_children(stat),
        stat if stat.ppid == head => ticks(stat),
        _ => 0,
    };
    stats.map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process_and_its_ended_children_are_measured() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(peak_memory_mib(pid).unwrap() > 0.1);
        assert!(own_cpu_us().is_some());
        let stages = Stages::new(vec![("this", pid)], None);
        assert!(stages.cpu_us().contains_key("this"));
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let mut loops = std::process::Command::new("sh");
        loops.args(["-c", script]);
        let before = tree_ticks(pid);
        assert!(loops.status().unwrap().success());
        assert!(ticks_of_ended_children(&own_stat().unwrap()) > 0);
        assert!(tree_ticks(pid) > before);
    }
}
