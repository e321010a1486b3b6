//! One table per topic.

use super::figures::{Metrics, Table, number, range, ratio, short, times};
use super::{against, live};
use crate::choices::Spread;
use crate::results::{Results, SERVICE};
use crate::topics::{ceilings, closed, embedded, kept, open, overload, streams};

/// A section of the report; omitted if its table is empty.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) table: Table,
}

pub(super) const HOT: &str = "Closed load, one hot product";
pub(super) const OPEN: &str = "Open load";
pub(super) const KEPT: &str = "Orders kept";

/// Returns all sections in the order of the report.
pub(super) fn all(results: &Results) -> Vec<Section> {
    let section = |title, description, table| Section {
        title,
        description,
        table,
    };
    vec![
        section(
            "Compared with another build",
            against::COMPARED,
            against::ratios(results),
        ),
        section(HOT, CLOSED, by_connections(results, Spread::Hot)),
        section(
            "Closed load, 1,000 products, uniform",
            CLOSED,
            by_connections(results, Spread::Uniform),
        ),
        section(
            "Closed load, 1,000 products, Zipf",
            "The probability of the n-th product is proportional to 1/n.",
            by_connections(results, Spread::Zipf),
        ),
        section(OPEN, OPEN_LOAD, by_share(results)),
        section("Overload", OVERLOAD, overloaded(results)),
        section("Waiting", live::WAITED, live::by_response_mode(results)),
        section("Events", live::READ, live::by_readers(results)),
        section("Crash", against::CRASHED, against::crashes(results)),
        section(KEPT, ORDERS_KEPT, by_orders_kept(results)),
        section("Streams", STREAMED, by_items(results)),
        section("Standalone", EMBEDDED, standalone(results)),
        section("CPU time", CPU, cpu(results)),
        section("Ceilings", CEILINGS, alone(results)),
    ]
}

const CLOSED: &str = "Each connection sends its next order after the last response. Ratios are to pgbench with one transaction per order (lock the \
product, deduct a unit, insert the order) at 32 clients. Other designs for a hot product: a row for each unit of stock, of which a transaction \
takes one that no other transaction has locked (`SKIP LOCKED`); and an HTTP server that deducts the unit and appends the order to a stream by a \
script in Redis with `appendfsync always`.";

fn by_connections(results: &Results, spread: Spread) -> Table {
    const METRICS: &Metrics = &[
        ("settled per second", "settled_per_s"),
        ("POST p50, ms", "post_p50_ms"),
        ("p99, ms", "post_p99_ms"),
        ("to settled p99, ms", "settle_p99_ms"),
    ];
    let topic = spread.name();
    let reference = match spread {
        Spread::Zipf => results.median(Spread::Uniform.name(), closed::EACH, 32.0, "settled_per_s"),
        _ => results.median(topic, closed::EACH, 32.0, "settled_per_s"),
    };
    let mut table = Table::with_metrics(["", "ratio"], METRICS);
    for (what, unit) in [
        (SERVICE, "connections"),
        (closed::EACH, "clients"),
        (closed::UNITS, "clients"),
        (closed::REDIS, "connections"),
    ] {
        for at in results.loads(topic, what, "settled_per_s") {
            let name = match what {
                SERVICE => format!("{at} {unit}"),
                _ => format!("{what}, {at} {unit}"),
            };
            let ratio = ratio(results.median(topic, what, at, "settled_per_s"), reference);
            table.row_of([name, times(ratio)], results, (topic, what, at));
        }
    }
    table
}

const OPEN_LOAD: &str = "Orders for one hot product are sent at random times at a fixed rate, a share of the best throughput under closed load, over 256 \
connections. POST is from sending the request to its response; *late* is the delay after the scheduled time, because the \
machine was busy; *to settled* is from the transaction that accepted the order to the write of the decision, by the database's clock. \
pgbench inserts one row per order at the same rate, over 32 connections; its latency is measured from the actual start.";

fn by_share(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("settled per second", "settled_per_s"),
        ("POST p50, ms", "post_p50_ms"),
        ("p90, ms", "post_p90_ms"),
        ("p99, ms", "post_p99_ms"),
        ("max, ms", "post_max_ms"),
        ("late p99, ms", "late_p99_ms"),
        ("to settled p50, ms", "settle_p50_ms"),
        ("p99, ms", "settle_p99_ms"),
    ];
    let mut table = Table::with_metrics(["share of the best", "offered per second"], METRICS);
    for what in [SERVICE, open::INSERT] {
        for at in results.loads(open::TOPIC, what, "post_p50_ms") {
            let name = match what {
                SERVICE => short(at),
                _ => format!("{what}, {}", short(at)),
            };
            let offered = range(results.range(open::TOPIC, SERVICE, at, "offered_per_s"));
            table.row_of([name, offered], results, (open::TOPIC, what, at));
        }
    }
    table
}

const OVERLOAD: &str = "Orders for one hot product are sent at twice the best throughput, over 2,000 connections, with a queue for 1,000 pending writes \
(`api.write_queue_size`). Every order with a 202 response was settled; all other responses were 503. \
Requests were sent much later than scheduled when all connections were waiting for responses. The load generator runs on the same \
cores; its CPU time is counted separately: *per CPU second* counts the CPU time of all other processes only.";

fn overloaded(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("offered per second", "offered_per_s"),
        ("responses per second, 202 or 503", "answered_per_s"),
        ("settled per second", "settled_per_s"),
        (
            "settled per CPU second of the service and its servers",
            "settled_per_cpu_s",
        ),
        (
            "share of the load generator in the CPU time",
            "client_share",
        ),
        ("share refused", "refused_share"),
        ("503 p50, ms", "refused_p50_ms"),
        ("503 p99, ms", "refused_p99_ms"),
        ("response p50, ms", "post_p50_ms"),
        ("response p99, ms", "post_p99_ms"),
        ("delay after the scheduled time, p99, ms", "late_p99_ms"),
        ("to settled p99, ms", "settle_p99_ms"),
        ("peak memory of the API, MiB", "peak_mib_api"),
        ("peak memory of the worker, MiB", "peak_mib_worker"),
    ];
    let mut table = Table::new(["", "figure"]);
    for (name, metric) in METRICS {
        let found = results.range(overload::TOPIC, SERVICE, 2.0, metric);
        if found.is_some() {
            table.row([(*name).to_owned(), range(found)]);
        }
    }
    table
}

const ORDERS_KEPT: &str = "Medians over one connection, in ms, with few and with many orders in the database, measured alternately. The deep page starts in the \
middle of the list. The measurement adds its own orders.";

/// Compared metrics.
pub(super) const KEPT_METRICS: &Metrics = &[
    ("POST", "post_p50_ms"),
    ("to settled", "settle_p50_ms"),
    ("first page of 100", "first_page_p50_ms"),
    ("deep page of 100", "deep_page_p50_ms"),
    ("order by id", "by_id_p50_ms"),
];

fn by_orders_kept(results: &Results) -> Table {
    let loads = results.loads(kept::TOPIC, SERVICE, "post_p50_ms");
    let head = ["", "ratio", "few orders kept", "many orders kept"];
    let mut table = Table::new(head);
    let (Some(&few), Some(&many)) = (loads.first(), loads.last()) else {
        return table;
    };
    table.row([
        "orders".to_owned(),
        String::new(),
        number(few),
        number(many),
    ]);
    compare(&mut table, results, kept::TOPIC, KEPT_METRICS, [few, many]);
    table
}

/// Adds a row for each metric: the ratio of the second load to the first, and the figures of both.
pub(super) fn compare(
    table: &mut Table,
    results: &Results,
    topic: &str,
    metrics: &Metrics,
    loads: [f64; 2],
) {
    for (name, metric) in metrics {
        let [low, high] = loads.map(|at| results.range(topic, SERVICE, at, metric));
        let ratio = ratio(high.map(|it| it.median), low.map(|it| it.median));
        table.row([(*name).to_owned(), times(ratio), range(low), range(high)]);
    }
}

const STREAMED: &str = "A whole list is read as NDJSON over one connection with this project's client, each time from a newly started API. Memory is \
its peak resident memory; ratios are to the peak with few items.";

fn by_items(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("peak memory, MiB", "peak_mib"),
        ("before, MiB", "before_mib"),
        ("read per second", "read_per_s"),
    ];
    let mut table = Table::with_metrics(["", "ratio"], METRICS);
    for list in [streams::ORDERS, streams::STOCK] {
        let loads = results.loads(streams::TOPIC, list, "peak_mib");
        let median = |at| results.median(streams::TOPIC, list, at, "peak_mib");
        let few = loads.first().and_then(|at| median(*at));
        for at in loads {
            let name = format!("{} {list}", number(at));
            let ratio = ratio(median(at), few);
            table.row_of([name, times(ratio)], results, (streams::TOPIC, list, at));
        }
    }
    table
}

const EMBEDDED: &str = "One process with one data file. Ratios are to a loop that accepts and settles one order per transaction on a data file with the \
same settings.";

fn standalone(results: &Results) -> Table {
    const METRICS: &Metrics = &[
        ("settled per second", "settled_per_s"),
        ("POST p50, ms", "post_p50_ms"),
        ("p99, ms", "post_p99_ms"),
    ];
    let mut table = Table::with_metrics(["", "ratio"], METRICS);
    for spread in [Spread::Hot, Spread::Uniform] {
        let plain = embedded::plain(spread);
        let median = |what: &str, at| results.median(embedded::TOPIC, what, at, "settled_per_s");
        let reference = median(&plain, 1.0);
        for what in [spread.name(), &plain] {
            for at in results.loads(embedded::TOPIC, what, "settled_per_s") {
                let name = if what == plain {
                    plain.clone()
                } else {
                    format!("{what}, {at} connections")
                };
                let ratio = ratio(median(what, at), reference);
                table.row_of([name, times(ratio)], results, (embedded::TOPIC, what, at));
            }
        }
    }
    table
}

const CPU: &str = "CPU time per settled order, in µs, by stage, at 64 connections and, where stated, at 1,024. PostgreSQL includes all of its processes, RabbitMQ its whole Erlang VM.";

fn cpu(results: &Results) -> Table {
    let mut table = Table::new(["", "share of the sum", "µs per order"]);
    for topic in ["hot", "uniform", "zipf", embedded::TOPIC] {
        let stages_of = format!("cpu {topic}");
        // The typical number of connections is recorded as 0.
        for (at, load) in [(0.0, ""), (1024.0, ", 1,024 connections")] {
            let stages = results.metrics(&stages_of, SERVICE, at);
            let of = |stage: &str| results.range(&stages_of, SERVICE, at, stage);
            let medians = stages.iter().filter_map(|stage| of(stage));
            let sum: f64 = medians.map(|it| it.median).sum();
            for stage in &stages {
                let share = ratio(of(stage).map(|it| it.median), Some(sum)).unwrap_or_default();
                let name = format!("{topic}{load}: {stage}");
                table.row([name, format!("{:.0} %", share * 100.0), range(of(stage))]);
            }
            if sum > 0.0 {
                let name = format!("{topic}{load}: **sum**");
                table.row([name, "100 %".to_owned(), number(sum)]);
            }
        }
    }
    table
}

const CEILINGS: &str = "Throughput of each component alone, measured with the program `ceilings` and with pgbench. None of them is a complete service.";

fn alone(results: &Results) -> Table {
    const ROWS: [(&str, &str, &str); 6] = [
        (ceilings::HTTP, "answered_per_s", "responses, connections:"),
        (
            ceilings::INSERTS,
            "inserted_per_s",
            "orders accepted, clients:",
        ),
        (
            ceilings::BATCHES,
            "inserted_per_s",
            "orders accepted in batches of 256, products:",
        ),
        (
            ceilings::BATCHES,
            "settled_per_s",
            "orders settled in batches of 256, products:",
        ),
        (
            ceilings::BROKER,
            "messages_per_s",
            "messages, ids per message:",
        ),
        (
            ceilings::BROKER,
            "order_ids_per_s",
            "order ids, ids per message:",
        ),
    ];
    let mut table = Table::new(["", "per second"]);
    for (what, metric, name) in ROWS {
        for at in results.loads(ceilings::TOPIC, what, metric) {
            let found = results.range(ceilings::TOPIC, what, at, metric);
            table.row([format!("{what}: {name} {at}"), range(found)]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::empty;

    #[test]
    fn sections_without_results_are_empty() {
        assert!(all(&empty()).iter().all(|section| section.table.is_empty()));
    }

    #[test]
    fn cpu_shares_add_up_to_100_percent() {
        let mut results = empty();
        results.add("cpu hot", SERVICE, 0.0, "api", 30.0);
        results.add("cpu hot", SERVICE, 0.0, "worker", 10.0);
        results.add("cpu hot", SERVICE, 1024.0, "api", 8.0);
        let text = cpu(&results).markdown();
        assert!(text.contains("| hot: api | 75 % | 30.0 |"), "{text}");
        assert!(text.contains("| hot: **sum** | 100 % | 40.0 |"), "{text}");
        let row = "| hot, 1,024 connections: **sum** | 100 % | 8.00 |";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn long_list_is_compared_to_a_short_one() {
        let mut results = empty();
        for (items, mib) in [(1e4, 20.0), (1e6, 25.0)] {
            results.add(streams::TOPIC, streams::STOCK, items, "peak_mib", mib);
        }
        let text = by_items(&results).markdown();
        assert!(
            text.contains("| 1,000,000 products | 1.25 × | 25.0 | – | – |"),
            "{text}"
        );
    }

    #[test]
    fn many_orders_are_compared_to_few() {
        let mut results = empty();
        for (orders, ms) in [(1e4, 2.0), (1e7, 2.5)] {
            results.add(kept::TOPIC, SERVICE, orders, "post_p50_ms", ms);
        }
        let text = by_orders_kept(&results).markdown();
        assert!(text.contains("| POST | 1.25 × | 2.00 | 2.50 |"), "{text}");
    }
}
