//! Results of a run, stored as JSON, so that tables and plots can be regenerated without measuring.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::quantiles::median;

/// Name of the measured service.
pub(super) const SERVICE: &str = "service";

/// One value per round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    topic: String,
    /// Name of the measured program.
    what: String,
    /// Load: number of connections, share of the best throughput, or number of orders.
    at: f64,
    metric: String,
    values: Vec<f64>,
}

/// Results of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) machine: Machine,
    /// Command line of the run.
    pub(super) command: String,
    pub(super) rounds: u32,
    pub(super) seconds: u64,
    /// One example of each executed command, by purpose.
    pub(super) commands: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// Minimum, median and maximum of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) max: f64,
}

impl Results {
    pub(super) fn new(machine: Machine, command: String, rounds: u32, seconds: u64) -> Self {
        Self {
            machine,
            command,
            rounds,
            seconds,
            commands: BTreeMap::new(),
            samples: Vec::new(),
        }
    }

    pub(super) fn load(file: &Path) -> Result<Self> {
        let text =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is not a valid results file", file.display()))
    }

    pub(super) fn save(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Adds the value of another round.
    pub(super) fn add(&mut self, topic: &str, what: &str, at: f64, metric: &str, value: f64) {
        if let Some(sample) = self
            .samples
            .iter_mut()
            .find(|sample| sample.matches(topic, what, at, metric))
        {
            sample.values.push(value);
            return;
        }
        self.samples.push(Sample {
            topic: topic.to_owned(),
            what: what.to_owned(),
            at,
            metric: metric.to_owned(),
            values: vec![value],
        });
    }

    /// Adds the values of another round at one load.
    pub(super) fn add_all<'m>(
        &mut self,
        (topic, what, at): (&str, &str, f64),
        values: impl IntoIterator<Item = (&'m str, f64)>,
    ) {
        for (metric, value) in values {
            self.add(topic, what, at, metric, value);
        }
    }

    /// Records the first command line for a purpose.
    pub(super) fn record_command(&mut self, purpose: &str, line: impl FnOnce() -> String) {
        if !self.commands.contains_key(purpose) {
            self.commands.insert(purpose.to_owned(), line());
        }
    }

    /// Returns the range over all rounds.
    pub(super) fn range(&self, topic: &str, what: &str, at: f64, metric: &str) -> Option<Range> {
        let sample = self
            .samples
            .iter()
            .find(|sample| sample.matches(topic, what, at, metric))?;
        Some(Range {
            min: sample.values.iter().copied().reduce(f64::min)?,
            median: median(&sample.values)?,
            max: sample.values.iter().copied().reduce(f64::max)?,
        })
    }

    pub(super) fn median(&self, topic: &str, what: &str, at: f64, metric: &str) -> Option<f64> {
        self.range(topic, what, at, metric)
            .map(|range| range.median)
    }

    /// Returns the measured loads in ascending order.
    pub(super) fn loads(&self, topic: &str, what: &str, metric: &str) -> Vec<f64> {
        let mut loads: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| {
                sample.topic == topic && sample.what == what && sample.metric == metric
            })
            .map(|sample| sample.at)
            .collect();
        loads.sort_by(f64::total_cmp);
        loads
    }

    /// Returns topic, program and load of all measurements of a metric, in the order of measurement.
    pub(super) fn measurements(&self, metric: &str) -> impl Iterator<Item = (&str, &str, f64)> {
        let samples = self.samples.iter().filter(move |it| it.metric == metric);
        samples.map(|sample| (&*sample.topic, &*sample.what, sample.at))
    }

    /// Returns the metrics at a load in the order of measurement.
    pub(super) fn metrics(&self, topic: &str, what: &str, at: f64) -> Vec<&str> {
        self.samples
            .iter()
            .filter(|sample| sample.matches(topic, what, at, &sample.metric))
            .map(|sample| sample.metric.as_str())
            .collect()
    }

    /// Returns the best median over all loads.
    pub(super) fn best(&self, topic: &str, what: &str, metric: &str) -> Option<f64> {
        self.loads(topic, what, metric)
            .into_iter()
            .filter_map(|at| self.median(topic, what, at, metric))
            .reduce(f64::max)
    }
}

impl Sample {
    fn matches(&self, topic: &str, what: &str, at: f64, metric: &str) -> bool {
        self.topic == topic
            && self.what == what
            && self.at.total_cmp(&at).is_eq()
            && self.metric == metric
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns empty results.
    pub(crate) fn empty() -> Results {
        let command = "cargo xtask bench --quick".to_owned();
        Results::new(Machine::default(), command, 3, 10)
    }

    #[test]
    fn rounds_are_aggregated_and_saved() {
        let mut results = empty();
        for value in [30.0, 10.0, 20.0] {
            results.add("hot", SERVICE, 64.0, "settled_per_s", value);
        }
        results.add("hot", SERVICE, 8.0, "settled_per_s", 5.0);
        results.add("hot", SERVICE, 64.0, "p99_ms", 1.0);
        let range = results
            .range("hot", SERVICE, 64.0, "settled_per_s")
            .unwrap();
        assert_eq!((range.min, range.median, range.max), (10.0, 20.0, 30.0));
        assert_eq!(results.loads("hot", SERVICE, "settled_per_s"), [8.0, 64.0]);
        assert_eq!(results.best("hot", SERVICE, "settled_per_s"), Some(20.0));
        assert_eq!(
            results.metrics("hot", SERVICE, 64.0),
            ["settled_per_s", "p99_ms"]
        );
        assert_eq!(results.median("hot", SERVICE, 1.0, "settled_per_s"), None);
        let measured: Vec<_> = results.measurements("p99_ms").collect();
        assert_eq!(measured, [("hot", SERVICE, 64.0)]);

        let file = tempfile::NamedTempFile::new().unwrap();
        results.save(file.path()).unwrap();
        assert_eq!(Results::load(file.path()).unwrap(), results);
    }
}
