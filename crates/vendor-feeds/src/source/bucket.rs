//! Documents in a bucket of an S3-compatible service.
//!
//! An object appears complete, but it may be replaced at any time, so it is checked like a file. Lists state times in
//! milliseconds and single objects in seconds, so times are rounded down to seconds.

mod http_service;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::FileVersion;
use domain::timestamp::Timestamp;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, RetryConfig};
use secrecy::ExposeSecret;

use self::http_service::Connector;
use super::address::AddressRules;
use super::directory::{
    Directory, Failure, FilePattern, NameFilter, OpenDirectory, check_entries, reason,
};
use super::network::split;
use super::storage_failure;
use crate::decode::{Limit, Spool, SpoolWriter};
use crate::excerpt::excerpt;
use crate::feed::InvalidOptions;
use crate::options::BucketOptions;

/// The objects of a bucket whose keys have a common part before the last `/`.
pub(super) struct Bucket {
    name: String,
    prefix: Option<Path>,
    store: Arc<AmazonS3>,
}

impl Bucket {
    /// Creates a source, without a connection.
    pub(super) fn new(
        options: &BucketOptions,
        connect_timeout: Duration,
        max_bytes: u64,
    ) -> Result<(Self, FilePattern), InvalidOptions> {
        let (prefix, file) = split(&options.key);
        let invalid = |error: &dyn Error| {
            let error = reason(error);
            InvalidOptions::Option(format!("source.url cannot be used: {error}"))
        };
        let prefix = match prefix.as_str() {
            "." => None,
            prefix => Some(Path::parse(prefix).map_err(|error| invalid(&error))?),
        };
        let endpoint = options.endpoint.as_ref();
        let named = endpoint.and_then(|endpoint| Some(endpoint.host()?.to_owned()));
        let addresses = AddressRules::new(&options.allow_addresses, named.as_slice());
        let connector = Connector {
            connect_timeout,
            addresses: Arc::new(addresses),
            max_bytes,
            is_plain: options
                .endpoint
                .as_ref()
                .is_some_and(|endpoint| endpoint.scheme() == "http"),
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_allow_http(connector.is_plain)
            .with_http_connector(connector)
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        builder = match &options.access_key {
            Some(key) => builder
                .with_access_key_id(&key.id)
                .with_secret_access_key(key.secret.expose_secret()),
            None => builder.with_skip_signature(true),
        };
        let store = builder.build().map_err(|error| invalid(&error))?;
        let bucket = Self {
            name: options.bucket.clone(),
            prefix,
            store: store.into(),
        };
        Ok((bucket, file))
    }
}

#[async_trait]
impl OpenDirectory for Bucket {
    type Directory = OpenedBucket;

    async fn open(&self) -> Result<OpenedBucket, Failure> {
        Ok(OpenedBucket {
            bucket: self.name.clone(),
            prefix: self.prefix.clone(),
            store: Arc::clone(&self.store),
        })
    }
}

/// The objects with one prefix.
pub(super) struct OpenedBucket {
    bucket: String,
    prefix: Option<Path>,
    store: Arc<AmazonS3>,
}

impl OpenedBucket {
    /// The key of an object, without a change of its characters.
    fn path_of(&self, name: &str) -> Result<Path, Failure> {
        let key = match &self.prefix {
            Some(prefix) => format!("{prefix}/{name}"),
            None => name.to_owned(),
        };
        Path::parse(&key).map_err(|error| {
            let shown = excerpt(&format!("{}/{key}", self.bucket));
            Failure::permanent(format!(
                "cannot read {shown}: {}",
                excerpt(&error.to_string())
            ))
        })
    }

    fn shown(&self, path: Option<&Path>) -> String {
        let path = path.map_or("", Path::as_ref);
        format!("{}/{path}", self.bucket)
    }

    fn unreadable(&self, path: Option<&Path>, error: &object_store::Error) -> Failure {
        self.failed("read", path, error)
    }

    fn failed(&self, action: &str, path: Option<&Path>, error: &object_store::Error) -> Failure {
        let shown = excerpt(&self.shown(path));
        let (problem, is_final) = describe(error);
        let problem = format!("cannot {action} {shown}: {problem}");
        if is_final {
            Failure::permanent(problem)
        } else {
            Failure::transient(problem)
        }
    }
}

#[async_trait]
impl Directory for OpenedBucket {
    async fn list(&mut self, is_wanted: &NameFilter<'_>) -> Result<Vec<FileVersion>, Failure> {
        let prefix = self.prefix.as_ref().map(|prefix| format!("{prefix}/"));
        let mut options = PaginatedListOptions {
            delimiter: Some("/".into()),
            ..PaginatedListOptions::default()
        };
        let mut versions = Vec::new();
        let mut entries = 0;
        loop {
            let page = self
                .store
                .list_paginated(prefix.as_deref(), options.clone());
            let page = page.await;
            let page = page.map_err(|error| self.unreadable(self.prefix.as_ref(), &error))?;
            let (objects, directories) = (page.result.objects, page.result.common_prefixes);
            entries += objects.len() + directories.len();
            check_entries(&self.shown(self.prefix.as_ref()), entries)?;
            let found = objects.iter().filter_map(version);
            versions.extend(found.filter(|version| is_wanted(&version.name)));
            if page.page_token.is_none() {
                return Ok(versions);
            }
            options.page_token = page.page_token;
        }
    }

    async fn look(&mut self, name: &str) -> Result<Option<FileVersion>, Failure> {
        let path = self.path_of(name)?;
        let object = self.store.head(&path).await;
        let object = object.map_err(|error| self.unreadable(Some(&path), &error))?;
        Ok(version(&object))
    }

    async fn read(&mut self, name: &str, limit: Limit) -> Result<Spool, Failure> {
        let path = self.path_of(name)?;
        let failed = |error| self.unreadable(Some(&path), &error);
        let mut pieces = self.store.get(&path).await.map_err(failed)?.into_stream();
        let mut writer = SpoolWriter::new(limit);
        while let Some(piece) = pieces.next().await {
            let written = writer.write(&piece.map_err(failed)?).await;
            written.map_err(|error| storage_failure(&error))?;
        }
        let bytes = writer.finish().await;
        Ok(bytes.map_err(|error| storage_failure(&error))?)
    }

    async fn remove(&mut self, name: &str) -> Result<(), Failure> {
        let path = self.path_of(name)?;
        let removed = self.store.delete(&path).await;
        removed.map_err(|error| self.failed("delete", Some(&path), &error))
    }

    async fn rename(
        &mut self,
        name: &str,
        directory: &str,
        new_name: &str,
    ) -> Result<bool, Failure> {
        let (from, to) = (
            self.path_of(name)?,
            self.path_of(&format!("{directory}/{new_name}"))?,
        );
        match self.store.head(&to).await {
            Ok(_) => return Ok(false),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(self.unreadable(Some(&to), &error)),
        }
        // The service has no such operation.
        let copied = self.store.copy(&from, &to).await;
        copied.map_err(|error| self.failed("copy", Some(&from), &error))?;
        self.remove(name).await?;
        Ok(true)
    }
}

fn version(object: &ObjectMeta) -> Option<FileVersion> {
    let modified = Timestamp::from_micros(object.last_modified.timestamp_micros());
    Some(FileVersion {
        name: object.location.filename()?.to_owned(),
        size: object.size,
        modified: Some(modified.start_of_second()),
    })
}

/// Describes an error by its innermost cause, and whether a retry is of no use. The outer errors repeat the URL.
fn describe(error: &object_store::Error) -> (String, bool) {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    // The status of a response is in its text only.
    let status = text.split_once("status code: ").map(|(_, status)| status);
    let is_client_error = status.is_some_and(|status| status.starts_with('4'));
    let is_final = is_client_error
        || matches!(
            error,
            object_store::Error::NotFound { .. }
                | object_store::Error::PermissionDenied { .. }
                | object_store::Error::Unauthenticated { .. }
        );
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once('<')?.0)
    };
    let described = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => reason(format!("{code}: {message}")),
        (Some(code), None) => reason(code),
        _ => reason(status.unwrap_or(&text).trim_end_matches([':', ' '])),
    };
    (described, is_final)
}
