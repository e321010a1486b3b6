//! Files as the objects of a bucket of an S3-compatible service.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::web::Bytes;
use async_trait::async_trait;
use futures_util::stream::{self, Stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    CommonPrefix, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, StreamingBlob, Timestamp,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpStream;

use super::shelf::{End, Node, Shelf, Stored, Transfer};
use super::{Connections, Prepared, Protocol, ServedConnection};
use crate::script::auth::Auth;

/// Maximum size of the pieces in which an object is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// Pause before a body fails, in which what was sent before it leaves the server.
const SEND_PAUSE: Duration = Duration::from_millis(50);

/// A service with one bucket.
#[derive(Debug)]
pub(in crate::script) struct Bucket {
    /// Id and secret of the access key; `None` for a public bucket.
    key: Option<(String, String)>,
}

impl Bucket {
    pub(in crate::script) fn new(auth: Option<&Auth>) -> Self {
        let key = match auth {
            Some(Auth::AccessKey { id, secret }) => Some((id.clone(), secret.clone())),
            _ => None,
        };
        Self { key }
    }
}

impl Protocol for Bucket {
    fn prepare(&self, _: &str, address: SocketAddr, folder: Arc<Shelf>) -> io::Result<Prepared> {
        let mut builder = S3ServiceBuilder::new(Objects { folder });
        if let Some((id, secret)) = &self.key {
            builder.set_auth(SimpleAuth::from_single(id.as_str(), secret.as_str()));
        }
        Ok(Prepared {
            url: "s3:/".to_owned(),
            settings: vec![("endpoint", format!("http://{address}"))],
            connections: Box::new(HttpConnections(builder.build())),
        })
    }
}

struct HttpConnections(S3Service);

impl Connections for HttpConnections {
    fn serve(&self, stream: TcpStream) -> ServedConnection {
        let service = self.0.clone();
        Box::pin(async move {
            let builder = Builder::new(TokioExecutor::new());
            let served = builder.serve_connection(TokioIo::new(stream), service);
            // A failure ends this connection only.
            let _ = served.await;
        })
    }
}

/// The objects: the key is the path of a file behind the name of the bucket.
struct Objects {
    folder: Arc<Shelf>,
}

impl Objects {
    fn find(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        self.require_access(bucket)?;
        match self.folder.find(&format!("{bucket}/{key}")) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(s3_error!(NoSuchKey)),
        }
    }

    fn require_access(&self, bucket: &str) -> S3Result<()> {
        if self.folder.refuses_logins() {
            return Err(s3_error!(AccessDenied, "Access Denied"));
        }
        if self.folder.find(bucket).is_none() {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(())
    }
}

fn modified(file: &Stored) -> Timestamp {
    let seconds = u64::try_from(file.modified.as_second()).unwrap_or(0);
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

fn size(file: &Stored) -> i64 {
    i64::try_from(file.bytes.len()).unwrap_or(i64::MAX)
}

#[async_trait]
impl S3 for Objects {
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.require_access(&input.bucket)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let (mut objects, mut prefixes) = (Vec::new(), BTreeSet::new());
        for (path, file) in self.folder.files() {
            let key = path.split_once('/').map_or("", |(_, key)| key);
            let Some(rest) = key.strip_prefix(&prefix) else {
                continue;
            };
            let below = input
                .delimiter
                .as_deref()
                .and_then(|it| rest.split_once(it));
            if let (Some((name, _)), Some(delimiter)) = (below, &input.delimiter) {
                prefixes.insert(format!("{prefix}{name}{delimiter}"));
                continue;
            }
            objects.push(Object {
                key: Some(key.to_owned()),
                last_modified: Some(modified(&file)),
                size: Some(size(&file)),
                ..Object::default()
            });
        }
        let prefixes = prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(prefix),
        });
        let common_prefixes: Vec<CommonPrefix> = prefixes.collect();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            key_count: i32::try_from(objects.len() + common_prefixes.len()).ok(),
            is_truncated: Some(false),
            contents: Some(objects),
            common_prefixes: Some(common_prefixes),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let file = self.find(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(size(&file)),
            last_modified: Some(modified(&file)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let file = self.find(&request.input.bucket, &request.input.key)?;
        let transfer = self.folder.transfer(&file);
        transfer.begin().await;
        Ok(S3Response::new(GetObjectOutput {
            body: Some(StreamingBlob::wrap(body(transfer))),
            content_length: Some(size(&file)),
            last_modified: Some(modified(&file)),
            ..GetObjectOutput::default()
        }))
    }
}

/// The body of a response. It fails if the connection is to be cut.
fn body(transfer: Transfer) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync {
    stream::unfold(Some((transfer, 0)), |state| async move {
        let (transfer, offset) = state?;
        let piece = transfer.piece(offset, PIECE_BYTES).await;
        if !piece.is_empty() {
            let next = offset + piece.len();
            return Some((Ok(piece), Some((transfer, next))));
        }
        match transfer.end().await {
            End::Whole => None,
            End::Cut => {
                tokio::time::sleep(SEND_PAUSE).await;
                Some((Err(io::Error::other("cut by the fault")), None))
            }
        }
    })
}
