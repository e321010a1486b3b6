//! The HTTP client of the exporter.

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::Handle;

/// Sends requests on the runtime of the program: the exporter has a thread of its own, without a runtime.
#[derive(Debug)]
pub(crate) struct RuntimeClient {
    pub(crate) client: reqwest::Client,
    pub(crate) runtime: Handle,
}

#[async_trait]
impl HttpClient for RuntimeClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let response = client.execute(request).await?;
            let mut builder = Response::builder().status(response.status());
            if let Some(headers) = builder.headers_mut() {
                headers.extend(response.headers().clone());
            }
            Ok::<_, reqwest::Error>((builder, response.bytes().await?))
        });
        let (builder, body) = sent.await??;
        Ok(builder.body(body)?)
    }
}
