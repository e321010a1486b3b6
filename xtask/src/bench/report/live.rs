//! Tables of what clients are told as it happens: answers that wait, and events.

use super::super::results::{Results, SERVICE};
use super::super::topics::{events, waiting};
use super::figures::{Table, range, ratio, short, times};

pub(super) const WAITED: &str = "What `Prefer: wait=30` costs: the answer to an order then waits until it is settled. Orders are for one hot product; each of 64 \
connections, which two APIs share evenly, sends its next order when the last is answered, so with the wait fewer orders are under way. \
Times are from sending the request to its answer; what they have beyond *to settled* is the way back, from the write of the decision to \
the client. Ratios are to the same without the wait.";

pub(super) fn by_answer(results: &Results) -> Table {
    let mut table = Table::new([
        "",
        "ratio",
        "answers a second",
        "not settled",
        "settled a second",
        "answer p50, ms",
        "p99, ms",
        "max, ms",
        "to settled p99, ms",
    ]);
    for deployment in [waiting::TWO_APIS, waiting::EMBEDDED] {
        let reference = waiting::Answer::Accepted.of(deployment);
        for what in waiting::Answer::BOTH.map(|answer| answer.of(deployment)) {
            for at in results.loads(waiting::TOPIC, &what, "answered_per_s") {
                let of = |metric| range(results.range(waiting::TOPIC, &what, at, metric));
                let per_s = |what| results.median(waiting::TOPIC, what, at, "answered_per_s");
                table.row([
                    what.clone(),
                    times(ratio(per_s(&what), per_s(&reference))),
                    of("answered_per_s"),
                    of("not_settled"),
                    of("settled_per_s"),
                    of("post_p50_ms"),
                    of("post_p99_ms"),
                    of("post_max_ms"),
                    of("settle_p99_ms"),
                ]);
            }
        }
    }
    table
}

pub(super) const READ: &str = "What readers of `GET /api/v1/events` cost: closed load of orders for one hot product over 64 connections, each time on a service \
that was just started, without readers and with them. Each order is told to each reader as it comes and as it is settled, once if both fall into one step of the feed. Stuck \
readers send their request and never read; they are cut off after `api.send_timeout`, here 5 s and not the default of 60 s; \
`api.max_event_streams` and `api.event_bytes_per_second` are the defaults. A reader that was dropped because it did not keep up comes back 2 s later and goes on with what is new. \
Readers run in the benchmark's own process on the same cores, so what they take is missing to the service. Events are \
counted on one reader, and by bytes for the others.";

pub(super) fn by_readers(results: &Results) -> Table {
    const NAMES: [(&str, &str); 12] = [
        ("settled_per_s", "settled a second"),
        ("post_p50_ms", "POST p50, ms"),
        ("post_p99_ms", "POST p99, ms"),
        ("settle_p99_ms", "to settled p99, ms"),
        ("peak_mib", "most memory of the API, MiB"),
        ("readers_cores", "CPU of the readers themselves, cores"),
        ("events", "events read by all"),
        ("events_per_s", "events read by all, a second"),
        ("events_mib_per_s", "the same, MiB a second"),
        ("readers_dropped", "readers dropped that read"),
        ("stuck", "stuck readers"),
        ("stuck_cut", "stuck readers cut off"),
    ];
    let loads = results.loads(events::TOPIC, SERVICE, "settled_per_s");
    let [none, many] = loads[..] else {
        return Table::new([""]);
    };
    let mut table = Table::new([
        "",
        "ratio",
        "no readers",
        &format!("{} readers", short(many)),
    ]);
    for (metric, name) in NAMES {
        let of = |at| results.range(events::TOPIC, SERVICE, at, metric);
        let ratio = ratio(of(many).map(|it| it.median), of(none).map(|it| it.median));
        table.row([
            name.to_owned(),
            times(ratio),
            range(of(none)),
            range(of(many)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::super::results::tests::empty;
    use super::*;

    #[test]
    fn a_wait_is_held_against_none() {
        let mut results = empty();
        for (answer, per_s) in waiting::Answer::BOTH.into_iter().zip([2_000.0, 8_000.0]) {
            let what = answer.of(waiting::TWO_APIS);
            results.add(waiting::TOPIC, &what, 64.0, "answered_per_s", per_s);
        }
        let text = by_answer(&results).markdown();
        let row = "| two APIs, one worker: wait=30 | 0.250 × | 2,000 |";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn readers_are_held_against_none() {
        let mut results = empty();
        for (readers, per_s) in [(0.0, 10_000.0), (2_000.0, 8_000.0)] {
            results.add(events::TOPIC, SERVICE, readers, "settled_per_s", per_s);
        }
        results.add(events::TOPIC, SERVICE, 2_000.0, "stuck", 100.0);
        let text = by_readers(&results).markdown();
        assert!(text.contains("| no readers | 2,000 readers |"), "{text}");
        assert!(
            text.contains("| settled a second | 0.800 × | 10,000 | 8,000 |"),
            "{text}"
        );
        assert!(text.contains("| stuck readers | – | – | 100 |"), "{text}");
    }
}
