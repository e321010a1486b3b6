//! Tables of what clients are told as it happens: answers that wait.

use super::super::results::Results;
use super::super::topics::waiting;
use super::figures::{Table, range, ratio, times};

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
}
