//! The measured builds of the programs: this one and, with `--against`, another one.
//!
//! Results of the other build have the same names, in topics of their own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dev_env::programs::{self, API, Programs, STANDALONE, WORKER};

use super::topics::Topic;

/// Prefix of the topics of the other build.
const OTHER: &str = "other: ";
/// Settings of the measurements that were renamed: now and before.
const RENAMED: [(&str, &str); 2] = [
    ("write_queue_size", "intake_queue"),
    ("send_timeout", "unread_timeout"),
];

/// One of the measured builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    This,
    Other,
}

impl Build {
    /// Returns the topic of this build's results.
    pub(super) fn topic(self, topic: &str) -> String {
        match self {
            Self::This => topic.to_owned(),
            Self::Other => format!("{OTHER}{topic}"),
        }
    }
}

/// Returns the topic of this build's results that corresponds to a topic of the other build.
pub(super) fn topic_of_this(topic: &str) -> Option<&str> {
    topic.strip_prefix(OTHER)
}

/// Returns the items in the order of a round: every second round begins with the last one.
pub(super) fn alternate<T>(items: &[T], round: u32) -> impl Iterator<Item = &T> {
    let last = items.len().saturating_sub(1);
    (0..items.len()).map(move |index| {
        &items[if round.is_multiple_of(2) {
            index
        } else {
            last - index
        }]
    })
}

/// Programs of the measured builds.
#[derive(Debug)]
pub(super) struct Builds {
    this: Programs,
    other: Option<OtherBuild>,
}

/// Programs of another build in a directory.
#[derive(Debug)]
pub(super) struct OtherBuild {
    dir: PathBuf,
    programs: Programs,
    /// Settings that have their earlier names.
    renamed: Vec<(&'static str, &'static str)>,
}

impl Builds {
    pub(super) fn new(this: Programs, other: Option<OtherBuild>) -> Self {
        Self { this, other }
    }

    /// Returns the builds in the order of a round.
    pub(super) fn in_round(&self, round: u32) -> Vec<Build> {
        let builds: &[Build] = match self.other {
            Some(_) => &[Build::This, Build::Other],
            None => &[Build::This],
        };
        alternate(builds, round).copied().collect()
    }

    /// Returns the programs of a build.
    pub(super) fn programs(&self, build: Build) -> &Programs {
        match (&self.other, build) {
            (Some(other), Build::Other) => &other.programs,
            _ => &self.this,
        }
    }

    /// Returns settings with the names that a build understands.
    pub(super) fn settings(&self, build: Build, settings: &str) -> String {
        let mut settings = settings.to_owned();
        if let (Some(other), Build::Other) = (&self.other, build) {
            for (now, before) in &other.renamed {
                settings = settings.replace(now, before);
            }
        }
        settings
    }

    /// Returns the other build's own migrations of PostgreSQL, if its directory has them.
    pub(super) fn migrations(&self, build: Build) -> Option<PathBuf> {
        let other = self.other.as_ref().filter(|_| build == Build::Other)?;
        let dir = other.dir.join("migrations/postgres");
        dir.is_dir().then_some(dir)
    }

    /// Describes the other build.
    pub(super) fn description(&self) -> Option<String> {
        let name = self.other.as_ref()?.dir.file_name()?.to_string_lossy();
        let schema = match self.migrations(Build::Other) {
            Some(_) => "its own",
            None => "this project's",
        };
        Some(format!("{name}, on {schema} schema of PostgreSQL"))
    }
}

impl OtherBuild {
    /// Fails if a program that the topics need is missing.
    pub(super) fn find(dir: &Path, topics: &[Topic]) -> Result<Self> {
        let programs = programs::in_dir(dir);
        for topic in topics {
            for program in needed(*topic) {
                let found = programs.path(program);
                found.with_context(|| format!("topic {topic} in {}", dir.display()))?;
            }
        }
        let found = [API, STANDALONE].map(|name| programs.path(name));
        let program = found.into_iter().find_map(Result::ok);
        let program =
            program.with_context(|| format!("there are no programs in {}", dir.display()))?;
        let bytes =
            std::fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            renamed: renamed(&bytes),
            programs,
        })
    }
}

/// Returns the programs of the other build that a topic measures.
fn needed(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Hot
        | Topic::Uniform
        | Topic::Zipf
        | Topic::Open
        | Topic::Overload
        | Topic::Events => &[API, WORKER],
        Topic::Waiting => &[API, WORKER, STANDALONE],
        Topic::Standalone => &[STANDALONE],
        Topic::Ceilings | Topic::Crash | Topic::Kept | Topic::Streams => &[],
    }
}

/// Returns the settings that a program knows by their earlier names only. Programs contain the text of the default settings.
fn renamed(program: &[u8]) -> Vec<(&'static str, &'static str)> {
    let contains = |name: &str| {
        let mut windows = program.windows(name.len());
        windows.any(|window| window == name.as_bytes())
    };
    let unknown = RENAMED.iter().filter(|(now, _)| !contains(now));
    unknown.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(files: &[(&str, &str)], topics: &[Topic]) -> Result<Builds> {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        let this = programs::in_dir(Path::new("/nonexistent"));
        OtherBuild::find(dir.path(), topics).map(|other| Builds::new(this, Some(other)))
    }

    #[test]
    fn settings_have_the_names_that_the_program_contains() {
        let settings = "[api]\nwrite_queue_size = 1000\nsend_timeout = \"5s\"\n";
        let old = [("api", "intake_queue unread_timeout"), ("worker", "w")];
        let builds = other(&old, &[Topic::Hot]).unwrap();
        assert_eq!(
            builds.settings(Build::Other, settings),
            "[api]\nintake_queue = 1000\nunread_timeout = \"5s\"\n"
        );
        assert_eq!(builds.settings(Build::This, settings), settings);
        let new = [(API, "\0write_queue_size\0send_timeout")];
        let builds = other(&new, &[]).unwrap();
        assert_eq!(builds.settings(Build::Other, settings), settings);
    }

    #[test]
    fn missing_program_of_a_topic_is_an_error_before_the_measurements() {
        let files = [("api", "a"), ("worker", "w")];
        assert!(other(&files, &[Topic::Hot, Topic::Kept]).is_ok());
        let error = other(&files, &[Topic::Waiting]).unwrap_err();
        assert!(format!("{error:#}").contains(STANDALONE), "{error:#}");
        assert!(other(&[], &[]).is_err());
    }

    #[test]
    fn every_second_round_begins_with_the_other_build() {
        let builds = other(&[("api", "a")], &[]).unwrap();
        assert_eq!(builds.in_round(0), [Build::This, Build::Other]);
        assert_eq!(builds.in_round(1), [Build::Other, Build::This]);
        assert_eq!(alternate(&[1], 1).collect::<Vec<_>>(), [&1]);
        assert_eq!(alternate::<u8>(&[], 1).count(), 0);
    }

    #[test]
    fn topics_of_the_other_build_are_recognised() {
        assert_eq!(Build::This.topic("hot"), "hot");
        assert_eq!(topic_of_this("hot"), None);
        assert_eq!(topic_of_this(&Build::Other.topic("hot")), Some("hot"));
    }
}
