//! Scripted vendors that run.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::ServerHandle;
use tokio::task::JoinHandle;

use super::files::{self, LocalFolder};
use super::{FileVendor, Transport, Vendor, VendorFailure, http};

/// A running vendor of a script. It stops on [`ScriptedVendor::stop`] or on drop.
#[derive(Debug)]
pub struct ScriptedVendor {
    name: String,
    description: String,
    /// The address that it listens on.
    address: Option<SocketAddr>,
    url: Option<String>,
    /// Settings of the feed that follow from the start of the vendor, by their names.
    settings: Vec<(&'static str, String)>,
    documents: Arc<AtomicU64>,
    running: Running,
}

#[derive(Debug, Default)]
struct Running {
    http: Option<ServerHandle>,
    /// The task that writes or sends documents.
    documents: Option<JoinHandle<io::Error>>,
    server: Option<JoinHandle<()>>,
}

impl Running {
    fn abort(&mut self) {
        if let Some(task) = self.documents.take() {
            task.abort();
        }
        if let Some(task) = self.server.take() {
            task.abort();
        }
    }
}

impl ScriptedVendor {
    pub(super) fn start(vendor: Vendor) -> Result<Self, VendorFailure> {
        let Vendor {
            name,
            transport,
            plan,
        } = vendor;
        let failed = |problem: String| {
            let vendor = name.clone();
            move |source: io::Error| VendorFailure {
                vendor,
                problem,
                source,
            }
        };
        let documents = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&documents);
        let mut started = Self {
            name: name.clone(),
            description: String::new(),
            address: None,
            url: None,
            settings: Vec::new(),
            documents,
            running: Running::default(),
        };
        match transport {
            Transport::Http(vendor) => {
                let (listen, path) = (vendor.listen, vendor.path.clone());
                let (handle, address) = http::start(*vendor, plan, counter)
                    .map_err(failed(format!("cannot listen on {listen}")))?;
                let url = format!("http://{address}{path}");
                started.description = format!("{name} listens on {url}");
                started.address = Some(address);
                started.url = Some(url);
                started.running.http = Some(handle);
            }
            Transport::File(FileVendor {
                directory,
                schedule,
            }) => {
                let shown = directory.display();
                fs::create_dir_all(&directory)
                    .map_err(failed(format!("cannot create the directory {shown}")))?;
                let path = directory.join(&schedule.name);
                started.description = format!("{name} writes {}", path.display());
                let task = files::run(LocalFolder(directory), schedule, plan, counter);
                started.running.documents = Some(tokio::spawn(task));
            }
            #[cfg(any(feature = "sftp", feature = "ftps", feature = "bucket"))]
            Transport::Server(vendor) => {
                let problem = format!("cannot serve files on {}", vendor.listen);
                let server =
                    super::server::start(&name, *vendor, plan, counter).map_err(failed(problem))?;
                let settings = server.settings.iter();
                let settings = settings.map(|(setting, value)| format!("{setting} = {value:?}"));
                let parts: Vec<String> = [server.url.clone()].into_iter().chain(settings).collect();
                started.description = format!("{name} serves {}", parts.join(", "));
                started.address = Some(server.address);
                started.url = Some(server.url);
                started.settings = server.settings;
                started.running.documents = Some(server.files);
                started.running.server = Some(server.server);
            }
            #[cfg(feature = "push")]
            Transport::Push(vendor) => {
                started.description = format!("{name} sends its reports to {}", vendor.url);
                let task = super::push::run(name, vendor, plan, counter);
                started.running.documents = Some(tokio::spawn(task));
            }
        }
        Ok(started)
    }

    /// Returns the name of the vendor in the script.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the URL of the report over HTTP, or that of the files of a server with the pattern of their names.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.url.clone()
    }

    /// Returns the address that the vendor listens on.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the value of a setting of the feed that follows from the start of the vendor: `host_key` (`sftp`), `ca_file`
    /// (`ftps`) or `endpoint` (`bucket`).
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        let mut settings = self.settings.iter();
        let found = settings.find(|(setting, _)| *setting == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Describes on one line where the report is.
    #[must_use]
    pub fn description(&self) -> String {
        self.description.clone()
    }

    /// Returns the number of documents: of requests for the report that were authenticated, each page counted, of files, or of
    /// reports that were sent.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.documents.load(Ordering::SeqCst)
    }

    /// Waits until the vendor cannot write its files. Never returns for a vendor over HTTP.
    pub async fn failed(&mut self) -> VendorFailure {
        if let Some(task) = &mut self.running.documents
            && let Ok(source) = task.await
        {
            return VendorFailure {
                vendor: self.name.clone(),
                problem: "cannot write a file".to_owned(),
                source,
            };
        }
        std::future::pending().await
    }

    /// Stops the vendor, and aborts its requests in progress.
    pub async fn stop(mut self) {
        self.running.abort();
        if let Some(server) = self.running.http.take() {
            server.stop(false).await;
        }
    }
}

impl Drop for ScriptedVendor {
    fn drop(&mut self) {
        self.running.abort();
        if let Some(server) = self.running.http.take() {
            // `stop` sends the command immediately; the future only waits for completion.
            drop(server.stop(false));
        }
    }
}
