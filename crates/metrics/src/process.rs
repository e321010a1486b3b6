//! Metrics of the process as the operating system reports them, under the standard names of Prometheus clients.

use prometheus::{Counter, Gauge, Registry};

use crate::InvalidMetric;

/// One reading of the process; `None` for values that the system does not provide.
#[derive(Debug, Default)]
struct Reading {
    cpu_s: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
    threads: Option<f64>,
    start_s: Option<f64>,
}

/// Reads the current values into `registry`.
pub(crate) fn read_into(registry: &Registry) -> Result<(), InvalidMetric> {
    let reading = read();
    if let Some(cpu_s) = reading.cpu_s {
        let help = "Total user and system CPU time spent in seconds.";
        let counter = Counter::new("process_cpu_seconds_total", help)?;
        counter.inc_by(cpu_s);
        registry.register(Box::new(counter))?;
    }
    for (name, help, value) in [
        (
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            reading.resident_bytes,
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            reading.virtual_bytes,
        ),
        (
            "process_open_fds",
            "Number of open file descriptors.",
            reading.open_fds,
        ),
        (
            "process_max_fds",
            "Maximum number of open file descriptors.",
            reading.max_fds,
        ),
        (
            "process_threads",
            "Number of OS threads in the process.",
            reading.threads,
        ),
        (
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            reading.start_s,
        ),
    ] {
        if let Some(value) = value {
            let gauge = Gauge::new(name, help)?;
            gauge.set(value);
            registry.register(Box::new(gauge))?;
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[allow(
    clippy::cast_precision_loss,
    reason = "the values are far below 2^53, or an error of a few bytes does not matter"
)]
fn read() -> Reading {
    use procfs::process::{LimitValue, Process};

    let mut reading = Reading::default();
    let Ok(process) = Process::myself() else {
        return reading;
    };
    let ticks_per_s = procfs::ticks_per_second() as f64;
    if let Ok(stat) = process.stat() {
        reading.cpu_s = Some((stat.utime + stat.stime) as f64 / ticks_per_s);
        reading.resident_bytes = Some(stat.rss as f64 * procfs::page_size() as f64);
        reading.virtual_bytes = Some(stat.vsize as f64);
        reading.threads = Some(stat.num_threads as f64);
        reading.start_s = procfs::boot_time_secs()
            .ok()
            .map(|boot_s| boot_s as f64 + stat.starttime as f64 / ticks_per_s);
    }
    reading.open_fds = process.fd_count().ok().map(|count| count as f64);
    reading.max_fds =
        process
            .limits()
            .ok()
            .and_then(|limits| match limits.max_open_files.soft_limit {
                LimitValue::Value(limit) => Some(limit as f64),
                LimitValue::Unlimited => None,
            });
    reading
}

#[cfg(not(target_os = "linux"))]
fn read() -> Reading {
    Reading::default()
}
