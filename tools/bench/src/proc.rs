//! CPU time, peak memory and parents of processes, from `/proc`. Not available outside Linux.

use std::collections::BTreeMap;
use std::path::Path;

use super::measure::as_f64;

/// Fields of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    name: String,
    parent: i32,
    /// Clock ticks of the process in user and system mode.
    own: u64,
    /// Clock ticks of its children that have exited and been waited for.
    ended_children: u64,
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name is in parentheses and may contain any character.
    let (begin, end) = (text.find('(')?, text.rfind(')')?);
    let fields: Vec<&str> = text.get(end + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        name: text.get(begin + 1..end)?.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        own: number(11)? + number(12)?,
        ended_children: number(13)? + number(14)?,
    })
}

fn stat(pid: &str) -> Option<Stat> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Returns the peak resident memory of a process in MiB.
pub(super) fn peak_memory_mib(pid: i32) -> Option<f64> {
    parse_peak_mib(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_peak_mib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(as_f64(kib) / 1024.0)
}

/// Returns the CPU time of this process, without its children.
pub(super) fn own_cpu_us() -> Option<u64> {
    Some(ticks_to_us(stat("self")?.own))
}

fn ticks_to_us(ticks: u64) -> u64 {
    ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

fn pids() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir(Path::new("/proc")) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// Returns the process id of the broker's Erlang VM, if it runs on this machine.
fn broker() -> Option<i32> {
    pids().into_iter().find(|pid| {
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        stat(&pid.to_string()).is_some_and(|stat| stat.name == "beam.smp")
            && command.contains("rabbit\0boot")
    })
}

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
            .and_then(|pid| stat(&pid.to_string()))
            .filter(|stat| stat.name.starts_with("postgres"))
            .map(|stat| stat.parent);
        let broker = backend.and_then(|_| broker());
        Self {
            ours,
            postmaster,
            broker,
        }
    }

    /// Returns the CPU time of each stage in µs. The load generator is a child of this process and counts once it has exited.
    pub(super) fn cpu_us(&self) -> BTreeMap<&'static str, u64> {
        let mut ticks = BTreeMap::new();
        if let Some(own) = stat("self") {
            ticks.insert("client", own.ended_children);
        }
        for (name, pid) in &self.ours {
            if let Some(stat) = stat(&pid.to_string()) {
                ticks.insert(*name, stat.own);
            }
        }
        if let Some(stat) = self.broker.and_then(|pid| stat(&pid.to_string())) {
            ticks.insert("RabbitMQ", stat.own);
        }
        if let Some(postmaster) = self.postmaster {
            let all = pids();
            let stats = all
                .iter()
                .filter_map(|pid| Some((*pid, stat(&pid.to_string())?)));
            ticks.insert("PostgreSQL", process_tree(postmaster, stats));
        }
        ticks
            .into_iter()
            .map(|(name, ticks)| (name, ticks_to_us(ticks)))
            .collect()
    }
}

/// Returns the clock ticks of a process, its running children and its exited children.
fn process_tree(head: i32, stats: impl Iterator<Item = (i32, Stat)>) -> u64 {
    stats
        .map(|(pid, stat)| match stat {
            stat if pid == head => stat.own + stat.ended_children,
            stat if stat.parent == head => stat.own,
            _ => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "2245 (a) b (c) S 2243 2245 2245 0 -1 4194624 1136 0 0 0 70 30 5 6 20 0 1 0 5137 226 1000";

    #[test]
    fn process_name_may_contain_any_character() {
        let stat = parse_stat(LINE).unwrap();
        assert_eq!((stat.name.as_str(), stat.parent), ("a) b (c", 2243));
        assert_eq!((stat.own, stat.ended_children), (100, 11));
        assert_eq!(parse_stat("1 (x) S 0"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn exited_children_are_counted_once() {
        let of = |parent, own, ended_children| Stat {
            name: "postgres".to_owned(),
            parent,
            own,
            ended_children,
        };
        let stats = [(7, of(1, 1, 20)), (8, of(7, 300, 5)), (9, of(2, 4000, 0))];
        assert_eq!(process_tree(7, stats.into_iter()), 321);
    }

    #[test]
    fn peak_memory_is_returned_in_mib() {
        assert_eq!(
            parse_peak_mib("Name:\tapi\nVmHWM:\t   10240 kB\nVmRSS:\t 1 kB\n"),
            Some(10.0)
        );
        assert_eq!(parse_peak_mib("Name:\tkthread\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn own_process_is_measured() {
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(peak_memory_mib(pid).unwrap() > 0.1);
        assert!(own_cpu_us().is_some());
        let stages = Stages::new(vec![("this", pid)], None);
        assert!(stages.cpu_us().contains_key("this"));
    }
}
