//! The record of started servers in `.services/started.json`.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Directory below the root that contains the list and the data of servers that run as this user.
pub(crate) const SERVICES_DIR: &str = ".services";

/// A started server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Started {
    /// A dedicated PostgreSQL cluster.
    Cluster {
        /// Directory of `pg_ctl`.
        programs: PathBuf,
        /// Data directory.
        data: PathBuf,
    },
    /// A RabbitMQ node.
    Node {
        /// Name of the node; `None` for the machine's default node.
        name: Option<String>,
        /// Client port.
        port: u16,
        /// Path of `rabbitmqctl`.
        control: PathBuf,
    },
    /// Containers of `deploy/compose.yaml`.
    Containers {
        /// Command, such as `docker compose`.
        engine: Vec<String>,
        /// Services of the compose file.
        services: Vec<String>,
    },
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster { data, .. } => write!(f, "the PostgreSQL cluster in {}", data.display()),
            Self::Node { name, port, .. } => {
                let name = name.as_deref().unwrap_or("with the default name");
                write!(f, "the RabbitMQ node {name} at port {port}")
            }
            Self::Containers { engine, services } => {
                write!(
                    f,
                    "the {} services {}",
                    engine.join(" "),
                    services.join(", ")
                )
            }
        }
    }
}

/// The list of started servers. Each change is saved immediately.
#[derive(Debug)]
pub(crate) struct StartedList {
    file: PathBuf,
    entries: Vec<Started>,
}

impl StartedList {
    /// Reads the list; empty if the file is missing.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let file = root.join(SERVICES_DIR).join("started.json");
        let entries = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("cannot read {}", file.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        Ok(Self { file, entries })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Started> {
        self.entries.iter()
    }

    pub(crate) fn last(&self) -> Option<&Started> {
        self.entries.last()
    }

    /// Adds an entry unless it is in the list.
    pub(crate) fn add(&mut self, started: Started) -> Result<()> {
        if !self.entries.contains(&started) {
            self.entries.push(started);
        }
        self.save()
    }

    pub(crate) fn remove_last(&mut self) -> Result<()> {
        self.entries.pop();
        self.save()
    }

    fn save(&self) -> Result<()> {
        let write = || {
            if let Some(dir) = self.file.parent() {
                std::fs::create_dir_all(dir)?;
            }
            std::fs::write(&self.file, serde_json::to_vec_pretty(&self.entries)?)
        };
        write().with_context(|| format!("cannot write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_entries_are_loaded_by_the_next_run() {
        let root = std::env::temp_dir().join(format!("dev-env-started-{}", std::process::id()));
        let node = Started::Node {
            name: Some("orders@localhost".to_owned()),
            port: 5673,
            control: "rabbitmqctl".into(),
        };
        let mut list = StartedList::load(&root).unwrap();
        assert!(list.is_empty());
        list.add(node.clone()).unwrap();
        list.add(node.clone()).unwrap();
        let mut again = StartedList::load(&root).unwrap();
        assert_eq!(again.iter().collect::<Vec<_>>(), [&node]);
        again.remove_last().unwrap();
        assert!(StartedList::load(&root).unwrap().is_empty());
        std::fs::write(root.join(SERVICES_DIR).join("started.json"), "{").unwrap();
        assert!(StartedList::load(&root).is_err());
        std::fs::remove_dir_all(root).unwrap();
    }
}
