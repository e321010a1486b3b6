//! Reports in a bucket of an S3-compatible service.

use std::path::PathBuf;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vendor_feeds::{AccessKey, BucketOptions, SecretString};

use super::proxy::CuttingProxy;
use super::*;

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// A service with the bucket `stock`, whose objects are files.
pub(crate) struct Service {
    port: u16,
    directory: TempDir,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir_all(directory.path().join("stock/out")).unwrap();
        let files = FileSystem::new(directory.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self {
            port,
            directory,
            task,
        }
    }

    /// The directory of the objects with the prefix `out/`.
    pub(crate) fn reports(&self) -> PathBuf {
        self.directory.path().join("stock/out")
    }

    pub(crate) fn source(&self, key: &str, change: impl FnOnce(&mut BucketOptions)) -> Source {
        let mut options = BucketOptions {
            allow_addresses: Vec::new(),
            bucket: "stock".to_owned(),
            key: key.to_owned(),
            endpoint: format!("http://127.0.0.1:{}", self.port).parse().ok(),
            region: "eu-central-1".to_owned(),
            access_key: Some(AccessKey {
                id: KEY_ID.to_owned(),
                secret: SecretString::from(SECRET),
            }),
        };
        change(&mut options);
        Source::Bucket(options)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn large_object_is_read_whole() {
    let service = Service::start().await;
    write(
        &service.reports().join("stock.csv"),
        incompressible(50_000),
        0,
    );
    let fetched = fetch(&feed(service.source("out/stock.csv", |_| {}))).await;
    assert_eq!(fetched.report.quantities().len(), 50_000);
}

#[tokio::test]
async fn list_with_too_many_objects_is_refused() {
    let object = |number| {
        format!(
            "<Contents><Key>out/{number}.csv</Key><LastModified>2026-11-01T08:00:00.000Z</LastModified>\
             <ETag>\"e\"</ETag><Size>1</Size></Contents>"
        )
    };
    let objects = (0..1_000).map(object).collect::<Vec<_>>().concat();
    let body = format!(
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>{objects}\
         </ListBucketResult>"
    );
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    let service = Service::start().await;
    let feed = feed(service.source("out/*.csv", |options| {
        options.endpoint = format!("http://127.0.0.1:{port}").parse().ok();
    }));
    assert_eq!(
        unavailable(&feed).await,
        "the directory stock/out has more than 50000 entries"
    );
    task.abort();
}

#[tokio::test]
async fn refused_access_is_named_without_the_secret() {
    let service = Service::start().await;
    write(&service.reports().join("stock.csv"), csv(1), 0);
    let access = |key: Option<(&str, &str)>| {
        let key = key.map(|(id, secret)| AccessKey {
            id: id.to_owned(),
            secret: SecretString::from(secret),
        });
        feed(service.source("out/*.csv", |options| options.access_key = key))
    };
    for (key, reason) in [
        (Some((KEY_ID, "hunter2")), "SignatureDoesNotMatch"),
        (
            Some(("AKIAOTHER", SECRET)),
            "NotSignedUp: Your account is not signed up",
        ),
        (None, "AccessDenied: Signature is required"),
    ] {
        assert_eq!(
            unavailable(&access(key)).await,
            format!("cannot read stock/out: {reason}")
        );
    }
}

#[tokio::test]
async fn missing_objects_are_named() {
    let service = Service::start().await;
    let problem = async |key: &str| unavailable(&feed(service.source(key, |_| {}))).await;
    assert_eq!(problem("out/*.csv").await, "no file matches out/*.csv");
    assert_eq!(
        problem("missing/*.csv").await,
        "no file matches missing/*.csv"
    );
    assert_eq!(
        problem("out/stock.csv").await,
        "cannot read stock/out/stock.csv: 404 Not Found"
    );
    let feed = feed(service.source("out/*.csv", |options| options.bucket = "other".to_owned()));
    assert_eq!(
        unavailable(&feed).await,
        "cannot read other/out: NoSuchBucket"
    );
}

#[tokio::test]
async fn service_that_ends_is_named() {
    let service = Service::start().await;
    write(
        &service.reports().join("stock.csv"),
        incompressible(10_000),
        0,
    );
    let through = |port: u16| {
        feed(service.source("out/stock.csv", |options| {
            options.endpoint = format!("http://127.0.0.1:{port}").parse().ok();
        }))
    };
    let proxy = CuttingProxy::start(service.port, 100_000).await;
    assert_eq!(
        unavailable(&through(proxy.port)).await,
        "cannot read stock/out/stock.csv: end of file before message length reached"
    );
    let port = process::free_port();
    assert_eq!(
        unavailable(&through(port)).await,
        "cannot read stock/out/stock.csv: Connection refused (os error 111)"
    );
}

#[tokio::test]
async fn object_that_is_not_finished_is_not_read() {
    let service = Service::start().await;
    let path = service.reports().join("stock.csv");
    write(&path, "", 0);
    assert_eq!(
        unavailable(&feed(service.source("out/*.csv", |_| {}))).await,
        "the report is not ready: the file stock.csv is empty"
    );
    write_now(&path, csv(1));
    let growing = path.clone();
    let feed = feed_changing(service.source("out/*.csv", |_| {}), move || {
        write_now(&growing, csv(1) + "0013;1\n");
    });
    assert_eq!(
        unavailable(&feed).await,
        "the report is not ready: the file stock.csv still grows"
    );
}
