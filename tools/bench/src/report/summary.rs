//! Table of the main ratios.

use super::figures::{Table, number, ratio, times};
use super::sections::KEPT_METRICS;
use crate::choices::Spread;
use crate::results::{Results, SERVICE};
use crate::topics::{closed, embedded, kept, open, overload};

/// Returns one row per ratio; ratios without results are omitted.
pub(super) fn table(results: &Results) -> Table {
    let mut table = Table::new(["", "ratio"]);
    let mut row = |what: &str, value: Option<f64>| {
        if value.is_some() {
            table.row([what.to_owned(), times(value)]);
        }
    };
    for (spread, what) in [
        (
            Spread::Hot,
            "best settled throughput, one hot product, to pgbench with one transaction per order, 32 clients",
        ),
        (Spread::Uniform, "the same, 1,000 products"),
    ] {
        let topic = spread.name();
        let best = results.best(topic, SERVICE, "settled_per_s");
        let each = results.median(topic, closed::EACH, 32.0, "settled_per_s");
        row(what, ratio(best, each));
    }
    for connections in [256.0, 1024.0] {
        let at = results.median("hot", SERVICE, connections, "settled_per_s");
        let best = results.best("hot", SERVICE, "settled_per_s");
        let what = format!(
            "throughput at {} connections, one hot product, to the best",
            number(connections)
        );
        row(&what, ratio(at, best));
    }
    let at_most = |what| results.median("hot", what, 1024.0, "settled_per_s");
    row(
        "throughput at 1,024 connections, one hot product, to a script in Redis behind HTTP",
        ratio(at_most(SERVICE), at_most(closed::REDIS)),
    );
    row(
        "best settled throughput, one hot product, to pgbench with a row per unit, 32 clients",
        ratio(
            results.best("hot", SERVICE, "settled_per_s"),
            results.median("hot", closed::UNITS, 32.0, "settled_per_s"),
        ),
    );
    let half = |what, metric| results.median(open::TOPIC, what, 0.5, metric);
    row(
        "p99 of POST at half of the best load, to p99 of an INSERT by pgbench at the same rate",
        ratio(
            half(SERVICE, "post_p99_ms"),
            half(open::INSERT, "post_p99_ms"),
        ),
    );
    row(
        "p99 from POST to settled at half of the best load, to 100 ms",
        ratio(half(SERVICE, "settle_p99_ms"), Some(100.0)),
    );
    row(
        "throughput at twice the best load, to the best",
        ratio(
            results.median(overload::TOPIC, SERVICE, 2.0, "settled_per_s"),
            results.best("hot", SERVICE, "settled_per_s"),
        ),
    );
    row(
        "the same, per CPU second without the load generator's",
        ratio(
            results.median(overload::TOPIC, SERVICE, 2.0, "settled_per_cpu_s"),
            per_cpu_s_at_best(results),
        ),
    );
    row(
        "median latency with many orders kept, to that with few; worst of POST, to settled, first page, deep page, order by id",
        worst_kept(results),
    );
    for spread in [Spread::Hot, Spread::Uniform] {
        let best = results.best(embedded::TOPIC, spread.name(), "settled_per_s");
        let plain = results.median(
            embedded::TOPIC,
            &embedded::plain(spread),
            1.0,
            "settled_per_s",
        );
        let what = format!(
            "standalone, best settled throughput, {}, to one transaction per order",
            spread.name()
        );
        row(&what, ratio(best, plain));
    }
    table
}

/// Returns the settled orders per CPU second at the load with the best throughput.
fn per_cpu_s_at_best(results: &Results) -> Option<f64> {
    let loads = results.loads("hot", SERVICE, "settled_per_s").into_iter();
    let of = |at, metric| results.median("hot", SERVICE, at, metric);
    let best = loads.max_by(|one, other| {
        let per_s = |at| of(at, "settled_per_s").unwrap_or_default();
        per_s(*one).total_cmp(&per_s(*other))
    });
    of(best?, "settled_per_cpu_s")
}

fn worst_kept(results: &Results) -> Option<f64> {
    let loads = results.loads(kept::TOPIC, SERVICE, "post_p50_ms");
    let (few, many) = (*loads.first()?, *loads.last()?);
    let of = |at, metric| results.median(kept::TOPIC, SERVICE, at, metric);
    KEPT_METRICS
        .iter()
        .filter_map(|(_, metric)| ratio(of(many, metric), of(few, metric)))
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::empty;

    #[test]
    fn ratios_are_computed_from_medians() {
        let mut results = empty();
        for value in [19_000.0, 21_000.0, 20_000.0] {
            results.add("hot", SERVICE, 64.0, "settled_per_s", value);
        }
        results.add("hot", SERVICE, 256.0, "settled_per_s", 18_000.0);
        results.add("hot", closed::EACH, 32.0, "settled_per_s", 1_000.0);
        results.add("hot", closed::UNITS, 32.0, "settled_per_s", 2_000.0);
        for (at, per_cpu_s) in [(64.0, 12_000.0), (256.0, 16_000.0)] {
            results.add("hot", SERVICE, at, "settled_per_cpu_s", per_cpu_s);
        }
        results.add(overload::TOPIC, SERVICE, 2.0, "settled_per_cpu_s", 6_000.0);
        let text = table(&results).markdown();
        assert!(text.contains("32 clients | 20.0 × |"), "{text}");
        assert!(
            text.contains("at 256 connections, one hot product, to the best | 0.900 × |"),
            "{text}"
        );
        assert!(
            text.contains("row per unit, 32 clients | 10.0 × |"),
            "{text}"
        );
        assert!(
            text.contains("per CPU second without the load generator's | 0.500 × |"),
            "{text}"
        );
        assert!(
            !text.contains("1,024") && !text.contains("standalone"),
            "{text}"
        );
    }

    #[test]
    fn worst_kept_ratio_is_reported() {
        let mut results = empty();
        for (orders, post, page) in [(1e4, 2.0, 1.0), (1e7, 2.2, 1.2)] {
            results.add(kept::TOPIC, SERVICE, orders, "post_p50_ms", post);
            results.add(kept::TOPIC, SERVICE, orders, "first_page_p50_ms", page);
        }
        assert!((worst_kept(&results).unwrap() - 1.2).abs() < 1e-9);
    }
}
