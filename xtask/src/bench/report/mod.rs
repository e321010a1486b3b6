//! The report: tables in Markdown, plots beside them, and the numbers that they are made of.

mod figures;
mod live;
mod plots;
mod sections;
mod summary;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::results::Results;
use figures::Table;

/// Writes everything into a folder. Returns the file with the tables.
pub(super) fn write(results: &Results, out: &Path) -> Result<PathBuf> {
    let folder = out.join("benchmarks");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    // First, so that nothing measured is lost if what follows fails.
    results.save(&folder.join("results.json"))?;
    let plots = plots::draw(results, &folder)?;
    let file = out.join("benchmarks.md");
    std::fs::write(&file, markdown(results, &plots))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn markdown(results: &Results, plots: &[plots::Plot]) -> String {
    let mut text = String::from(INTRODUCTION);
    let mut machine = Table::new(["", ""]);
    for (what, which) in &results.machine.0 {
        machine.row([what.clone(), which.clone()]);
    }
    machine.row(["rounds", &results.rounds.to_string()].map(str::to_owned));
    machine.row([
        "seconds a measurement".to_owned(),
        results.seconds.to_string(),
    ]);
    machine.row(["made by".to_owned(), format!("`{}`", results.command)]);
    text.push_str(&machine.markdown());
    push_section(&mut text, "Ratios", &summary::table(results), None);
    for section in sections::all(results) {
        push_section(
            &mut text,
            section.title,
            &section.table,
            Some(section.explained),
        );
        for plot in plots.iter().filter(|plot| plot.section == section.title) {
            let _ = write!(text, "\n![{}](benchmarks/{})\n", plot.title, plot.file);
        }
    }
    text.push_str("\n## Commands\n\nScripts are in `xtask/bench`; files with `hot`, `uniform` or `zipf` in their names hold what is ordered.\n\n```text\n");
    for (purpose, line) in &results.commands {
        let _ = write!(text, "{purpose}:\n    {line}\n");
    }
    text.push_str("```\n");
    text
}

const INTRODUCTION: &str = "\
# Benchmarks

Made by `cargo xtask bench --out docs`; not edited by hand. All numbers are in [results.json](benchmarks/results.json), from
which `cargo xtask bench --from docs/benchmarks/results.json --out docs` makes this page again.

Load generator, API, PostgreSQL, RabbitMQ and worker share one machine. What counts is orders **settled**: throughput is orders that
are decided and durable in the database, divided by the time from the start of the load generator until the last accepted one is
settled. The run refuses to measure unless `fsync`, `full_page_writes` and `synchronous_commit` are on and the queues are quorum
queues; after each round `cargo xtask audit`'s rules found nothing wrong. Rounds of the service and of what it is held against alternate; a
figure is the median of the rounds, with the least and the greatest in parentheses. The service runs with its default settings, but
for the log, of which it writes warnings only, and for what is said where it matters.

";

fn push_section(text: &mut String, title: &str, table: &Table, explained: Option<&str>) {
    if table.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n");
    if let Some(explained) = explained {
        text.push_str(explained);
        text.push_str("\n\n");
    }
    text.push_str(&table.markdown());
}

#[cfg(test)]
mod tests {
    use super::super::results::SERVICE;
    use super::super::results::tests::empty;
    use super::super::topics::closed::EACH;
    use super::*;

    #[test]
    fn a_run_of_one_topic_makes_a_page_with_that_topic_alone() {
        let mut results = empty();
        for (connections, per_s) in [(1.0, 1_000.0), (64.0, 20_000.0)] {
            results.add("hot", SERVICE, connections, "settled_per_s", per_s);
            results.add("hot", SERVICE, connections, "post_p99_ms", 2.5);
        }
        results.add("hot", EACH, 32.0, "settled_per_s", 1_000.0);
        let out = tempfile::tempdir().unwrap();
        let file = write(&results, out.path()).unwrap();
        let page = std::fs::read_to_string(file).unwrap();
        assert!(page.contains("## Closed load, one hot product"), "{page}");
        assert!(
            page.contains("| 64 connections | 20.0 × | 20,000 |"),
            "{page}"
        );
        assert!(!page.contains("## Overload"));
        assert!(page.contains("benchmarks/throughput.svg"));
        let plot = std::fs::read_to_string(out.path().join("benchmarks/throughput.svg")).unwrap();
        assert!(plot.starts_with("<svg"));
        let kept = Results::load(&out.path().join("benchmarks/results.json")).unwrap();
        assert_eq!(kept, results);
    }

    #[test]
    fn a_run_of_nothing_is_a_page_too() {
        let out = tempfile::tempdir().unwrap();
        let page = std::fs::read_to_string(write(&empty(), out.path()).unwrap()).unwrap();
        assert!(page.contains("## Commands") && !page.contains(".svg"));
    }
}
