//! Tables of waiting requests and of events.

use super::figures::{Metrics, Table, ratio, short, times};
use super::sections::compare;
use crate::results::{Results, SERVICE};
use crate::topics::{events, waiting};

pub(super) const WAITED: &str = "Cost of `Prefer: wait`, with which the response to an order waits for its settlement. Orders are for one hot product; each \
connection sends its next order after the last response, so the wait reduces the number of concurrent orders. Connections are spread evenly over \
two APIs; one connection uses the first. Times are from sending the request to its response; *to settled* is from the acceptance of the order to the write of the decision, by the \
clock of the store; the difference is the time from that write to the client. Ratios are to the same load without the wait. Half of the best is an open load.";

pub(super) fn by_response_mode(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("responses per second", "answered_per_s"),
        ("not settled", "not_settled"),
        ("settled per second", "settled_per_s"),
        ("response p50, ms", "post_p50_ms"),
        ("p99, ms", "post_p99_ms"),
        ("max, ms", "post_max_ms"),
        ("to settled p50, ms", "settle_p50_ms"),
        ("p99, ms", "settle_p99_ms"),
    ];
    let mut table = Table::with_metrics(["", "ratio"], METRICS);
    let measured = results.measurements("settled_per_s");
    for (_, what, at) in measured.filter(|(topic, ..)| *topic == waiting::TOPIC) {
        let per_s = |what| results.median(waiting::TOPIC, what, at, "settled_per_s");
        let deployment = what.split(": ").next().unwrap_or(what);
        let reference = waiting::ResponseMode::Accepted.of(deployment);
        let name = if what.ends_with(waiting::HALF) {
            what.to_owned()
        } else {
            format!("{what}, {at} connections")
        };
        let row = [name, times(ratio(per_s(what), per_s(&reference)))];
        table.row_of(row, results, (waiting::TOPIC, what, at));
    }
    table
}

pub(super) const READ: &str = "Cost of readers of `GET /api/v1/events`: closed load of orders for one hot product over 64 connections, without and with readers, each time on \
a newly started service. Each reader gets one event when an order is accepted and one when it is settled, or one for both if they fall into one step of the feed. Stuck \
readers send their request and never read; they are disconnected after `api.send_timeout`, here 5 s instead of the default of 60 s; \
`api.max_event_streams` and `api.event_bytes_per_second` have their default values. A reader that is disconnected because it does not keep up reconnects after 2 s and continues with new events. \
Readers run in the process of the benchmark on the same cores and take CPU time from the service. Events are \
counted on one reader and extrapolated by bytes for the others.";

pub(super) fn by_readers(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("settled per second", "settled_per_s"),
        ("POST p50, ms", "post_p50_ms"),
        ("POST p99, ms", "post_p99_ms"),
        ("to settled p99, ms", "settle_p99_ms"),
        ("peak memory of the API, MiB", "peak_mib"),
        ("CPU of the readers, cores", "readers_cores"),
        ("events read", "events"),
        ("events read per second", "events_per_s"),
        ("MiB read per second", "events_mib_per_s"),
        ("disconnected readers", "readers_dropped"),
        ("stuck readers", "stuck"),
        ("disconnected stuck readers", "stuck_cut"),
    ];
    let loads = results.loads(events::TOPIC, SERVICE, "settled_per_s");
    let [none, many] = loads[..] else {
        return Table::new([""]);
    };
    let readers = format!("{} readers", short(many));
    let mut table = Table::new(["", "ratio", "no readers", &readers]);
    compare(&mut table, results, events::TOPIC, METRICS, [none, many]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::empty;

    #[test]
    fn wait_is_compared_to_no_wait() {
        let mut results = empty();
        for (mode, per_s) in waiting::ResponseMode::BOTH
            .into_iter()
            .zip([2_000.0, 8_000.0])
        {
            let what = mode.of(waiting::TWO_APIS);
            results.add(waiting::TOPIC, &what, 64.0, "settled_per_s", per_s);
        }
        let text = by_response_mode(&results).markdown();
        let row = "| two APIs, one worker: wait=10, 64 connections | 0.250 × | – | – | 2,000 |";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn readers_are_compared_to_no_readers() {
        let mut results = empty();
        for (readers, per_s) in [(0.0, 10_000.0), (2_000.0, 8_000.0)] {
            results.add(events::TOPIC, SERVICE, readers, "settled_per_s", per_s);
        }
        results.add(events::TOPIC, SERVICE, 2_000.0, "stuck", 100.0);
        let text = by_readers(&results).markdown();
        assert!(text.contains("| no readers | 2,000 readers |"), "{text}");
        assert!(
            text.contains("| settled per second | 0.800 × | 10,000 | 8,000 |"),
            "{text}"
        );
        assert!(text.contains("| stuck readers | – | – | 100 |"), "{text}");
    }
}
