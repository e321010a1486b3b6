//! Table of this build compared to another one, and of crashes.

use super::figures::{Metrics, Table, ratio, times};
use crate::against::topic_of_this;
use crate::results::{Results, SERVICE};
use crate::topics::crash;

pub(super) const COMPARED: &str = "Each figure of this build, divided by the same figure of the other build in the same run: medians of the rounds. Both builds have a \
database and virtual host or a data file of their own, and are measured one after the other in each round, every second round in the \
other order; the build that is not measured has no load. In the open load and at half of the best load, both get the same rate, a share of the lower of their best \
throughputs. CPU time is that of all processes with the load generator, per settled order.";

pub(super) fn ratios(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("settled per second", "settled_per_s"),
        ("response p50", "post_p50_ms"),
        ("p99", "post_p99_ms"),
        ("to settled p50", "settle_p50_ms"),
        ("p99", "settle_p99_ms"),
        ("CPU time", "cpu_us"),
        ("peak memory of the API", "peak_mib_api"),
    ];
    let mut table = Table::with_metrics([""], METRICS);
    for (other, what, at) in results.measurements("settled_per_s") {
        let Some(topic) = topic_of_this(other) else {
            continue;
        };
        let name = match what {
            SERVICE => format!("{topic}, {at}"),
            _ => format!("{topic}: {what}, {at}"),
        };
        let ratios = METRICS.iter().map(|(_, metric)| {
            let median = |topic| results.median(topic, what, at, metric);
            times(ratio(median(topic), median(other)))
        });
        table.cells(std::iter::once(name).chain(ratios));
    }
    table
}

pub(super) const CRASHED: &str = "Processes are killed (SIGKILL) while 64 connections send orders, and started again: API and worker of the service, and the Redis server of the \
script in Redis. PostgreSQL, RabbitMQ and the operating system keep running, so the counts say nothing about a power failure; for that, both systems \
write their logs to disk before a response (`synchronous_commit`, `appendfsync always`). *Lost* are orders whose response was a success and that do not exist afterwards, \
in the service also those that are not settled. *Orders without a response* exist, but their clients got no response: clients of the service \
can retry them with the same `Idempotency-Key`, the script has no such key.";

pub(super) fn crashes(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("responses with success", "successes"),
        ("lost", "lost"),
        ("orders without a response", "without_response"),
    ];
    let mut table = Table::with_metrics([""], METRICS);
    for (topic, what, at) in results.measurements("successes") {
        if topic == crash::TOPIC {
            table.row_of([what.to_owned()], results, (topic, what, at));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::against::Build;
    use crate::results::tests::empty;

    #[test]
    fn this_build_is_divided_by_the_other_one() {
        let mut results = empty();
        let other = Build::Other.topic("hot");
        for (this, that) in [(30.0, 10.0), (20.0, 10.0), (90.0, 10.0)] {
            results.add("hot", SERVICE, 64.0, "settled_per_s", this);
            results.add(&other, SERVICE, 64.0, "settled_per_s", that);
        }
        results.add("hot", SERVICE, 64.0, "cpu_us", 45.0);
        results.add(&other, SERVICE, 64.0, "cpu_us", 60.0);
        results.add("hot", SERVICE, 8.0, "settled_per_s", 5.0);
        let text = ratios(&results).markdown();
        let row = "| hot, 64 | 3.00 × | – | – | – | – | 0.750 × | – |";
        assert!(text.contains(row), "{text}");
        assert!(!text.contains("hot, 8"), "{text}");
    }

    #[test]
    fn counts_of_a_crash_are_shown_by_system() {
        let mut results = empty();
        let values = [
            ("successes", 900.0),
            ("lost", 0.0),
            ("without_response", 3.0),
        ];
        results.add_all((crash::TOPIC, crash::API_AND_WORKER, 0.0), values);
        let text = crashes(&results).markdown();
        assert!(
            text.contains("| API and worker | 900 | 0 | 3.00 |"),
            "{text}"
        );
        assert!(ratios(&results).is_empty());
    }
}
