//! Rules for `deploy/monitoring`: each metric that rules and dashboards name is exported, and each alert has a runbook and tests.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, has_extension};

const DIR: &str = "deploy/monitoring/";

const RUNBOOKS: &str = "docs/operate/runbooks/";

/// The crate whose string literals name the metrics.
const METRICS: &str = "crates/metrics/src/";

/// The beginnings of the names of metrics that the programs export.
const PREFIXES: [&str; 3] = ["aggregator_", "http_", "process_"];

/// The beginning of the names of recording rules.
const RECORDED: &str = "deployment:";

/// The metrics of a histogram.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Checks the files of `deploy/monitoring` against the metrics crate and the runbooks.
pub(super) fn check(files: &[String], contents: impl Fn(&str) -> String) -> Vec<Finding> {
    let below = |dir: &str| -> Vec<(&str, String)> {
        let found = files.iter().filter(|path| path.starts_with(dir));
        found.map(|path| (path.as_str(), contents(path))).collect()
    };
    let sources = below(METRICS);
    let sources = sources
        .iter()
        .filter(|(path, _)| !path.ends_with("tests.rs"));
    let exported: BTreeSet<&str> = sources.flat_map(|(_, text)| metrics(text)).collect();
    let monitoring = below(DIR);
    let is_test = |path: &str| path.contains("/tests/");
    let yaml = |path: &str| has_extension(path, "yml");
    let rules = monitoring.iter();
    let rules: Vec<_> = rules
        .filter(|(path, _)| yaml(path) && !is_test(path))
        .collect();
    let recorded: BTreeSet<&str> = rules
        .iter()
        .flat_map(|(_, text)| values(text, "- record:"))
        .map(|(_, name)| name)
        .collect();
    let mut findings: Vec<Finding> = monitoring
        .iter()
        .flat_map(|(path, text)| check_names(path, text, &exported, &recorded))
        .collect();
    let tests = monitoring.iter().filter(|(path, _)| is_test(path));
    let tests: String = tests.map(|(_, text)| text.as_str()).collect();
    let tested = tested(&tests);
    let mut runbooks: BTreeMap<&str, String> = below(RUNBOOKS).into_iter().collect();
    for (path, text) in rules {
        for (line, alert, rule) in alerts(text) {
            let mut missing = |problem: String| {
                let problem = format!("alert {alert} {problem}");
                findings.push(Finding::new(format!("{path}:{line}"), problem));
            };
            let runbook = values(rule, "runbook_url:").next();
            match runbook.and_then(|(_, page)| runbooks.remove(page)) {
                Some(page) if page.lines().next() == Some(&format!("# {alert}")) => {}
                _ => missing("has no runbook page of its own with its name as title".to_owned()),
            }
            for (kind, firing) in [("fires", true), ("does not fire", false)] {
                if !tested.contains(&(alert, firing)) {
                    missing(format!("has no test in which it {kind}"));
                }
            }
        }
    }
    findings.extend(
        runbooks
            .keys()
            .map(|page| Finding::new(*page, "is not the runbook of an alert")),
    );
    findings
}

/// Returns the string literals of a source that are names of metrics.
fn metrics(source: &str) -> impl Iterator<Item = &str> {
    source
        .split('"')
        .filter(|text| has_prefix(text) && text.chars().all(is_name))
}

fn has_prefix(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

fn check_names<'a>(
    path: &'a str,
    text: &'a str,
    exported: &'a BTreeSet<&str>,
    recorded: &'a BTreeSet<&str>,
) -> impl Iterator<Item = Finding> + 'a {
    let is_exported = |name: &str| {
        let family = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        exported.contains(name) || family.is_some_and(|family| exported.contains(family))
    };
    text.lines().enumerate().flat_map(move |(index, line)| {
        let names = line.split(|char: char| !is_name(char) && char != ':');
        let unknown = names.filter(move |name| {
            let is_metric = has_prefix(name) && !name.contains(':');
            (is_metric && !is_exported(name))
                || (name.starts_with(RECORDED) && !recorded.contains(name) && *name != RECORDED)
        });
        unknown.map(move |name| {
            let problem = format!("names the metric {name}, which is not exported");
            Finding::new(format!("{path}:{}", index + 1), problem)
        })
    })
}

/// Returns the values of a key with the numbers of their lines.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    text.lines().enumerate().filter_map(move |(index, line)| {
        let value = line.trim_start().strip_prefix(key)?;
        Some((index + 1, value.trim()))
    })
}

/// Returns the alerts of a rules file: line, name and the text of the rule.
fn alerts(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    const ALERT: &str = "- alert: ";
    text.match_indices(ALERT).map(move |(start, _)| {
        let line = text[..start].lines().count();
        let rule = &text[start + ALERT.len()..];
        let rule = rule.split(ALERT).next().unwrap_or_default();
        (line, rule.lines().next().unwrap_or_default().trim(), rule)
    })
}

/// Returns the alerts of the tests, and whether each is expected to fire.
fn tested(tests: &str) -> BTreeSet<(&str, bool)> {
    let cases = tests.split("- alertname: ").skip(1);
    cases
        .map(|case| {
            let alert = case.lines().next().unwrap_or_default().trim();
            (alert, !case.contains("exp_alerts: []"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
  - record: deployment:aggregator_orders:rate5m
    expr: sum by (deployment) (rate(aggregator_orders_total[5m]))
  - alert: Slow
    expr: histogram_quantile(0.9, rate(http_seconds_bucket[5m])) > deployment:aggregator_orders:rate5m
    runbook_url: docs/operate/runbooks/slow.md
";
    const TESTS: &str = "
  - alertname: Slow
    exp_alerts: []
  - alertname: Slow
    exp_alerts:
      - exp_labels: {}
";

    fn findings(rules: &str, tests: &str, page: &str) -> Vec<String> {
        let sources = [
            ("deploy/monitoring/rules.yml", rules),
            ("deploy/monitoring/tests/all.yml", tests),
            ("docs/operate/runbooks/slow.md", page),
            (
                "crates/metrics/src/all.rs",
                "(\"aggregator_orders_total\", \"http_seconds\", \"http_seconds of\")",
            ),
            ("crates/metrics/src/tests.rs", "\"aggregator_gone\""),
        ];
        let files = sources.map(|(path, _)| path.to_owned());
        let found = check(&files, |path| {
            let text = sources.iter().find(|(name, _)| *name == path);
            text.map(|(_, text)| (*text).to_owned()).unwrap_or_default()
        });
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn alert_with_exported_metrics_runbook_and_tests_is_accepted() {
        let found = findings(RULES, TESTS, "# Slow\n");
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn metric_that_is_not_exported_is_found() {
        for (right, wrong) in [
            ("rate(http_seconds_bucket", "rate(http_second_bucket"),
            ("rate(aggregator_orders_total", "rate(aggregator_gone"),
            (
                "> deployment:aggregator_orders:rate5m",
                "> deployment:orders:rate5m",
            ),
        ] {
            let found = findings(&RULES.replace(right, wrong), TESTS, "# Slow\n");
            assert_eq!(found.len(), 1, "{wrong}: {found:?}");
            assert!(found[0].contains("which is not exported"), "{found:?}");
        }
    }

    #[test]
    fn alert_without_a_runbook_or_a_test_is_found() {
        let found = findings(RULES, TESTS, "# Fast\n");
        assert_eq!(found.len(), 1, "{found:?}");
        let found = findings(&RULES.replace("slow.md", "none.md"), TESTS, "# Slow\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("deploy/monitoring/rules.yml:3: "),
            "{found:?}"
        );
        let never = TESTS.replace("exp_alerts:\n", "exp_alerts: []\n");
        let found = findings(RULES, &never, "# Slow\n");
        assert_eq!(found.len(), 1, "{found:?}");
        let always = TESTS.replace("exp_alerts: []", "exp_alerts:");
        let found = findings(RULES, &always, "# Slow\n");
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
