//! [`Control`] over the socket: one connection for each request, so that there is no state to
//! repair when the daemon restarts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderMap, Method, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::server::TOTAL_HEADER;
use crate::socket::SOCKET_NAME;
use crate::types::{
    DownRequest, JobDetail, JobSpec, JobSummary, LogEntry, NodeRow, NodeStatus, OutputName,
    OutputPart, Page, PardonRequest, Pardoned, PreviewFile, Submitted, Why,
};
use crate::{Answer, ApiError, Control, ErrorCode, limits};

/// Asks a daemon through its socket.
///
/// Whatever keeps an answer from arriving is [`ErrorCode::Unavailable`]; that the daemon is too slow,
/// [`ErrorCode::Timeout`].
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon with this data directory. Doesn't connect yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { socket: data_dir.join(SOCKET_NAME) }
    }

    /// Whether somebody listens there.
    pub async fn is_there(&self) -> bool {
        self.connect().await.is_ok()
    }

    async fn connect(&self) -> Result<UnixStream, ApiError> {
        let found = match timeout(limits::CONNECT, UnixStream::connect(&self.socket)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no connection within {} s", limits::CONNECT.as_secs()),
        };
        let socket = self.socket.display();
        Err(ApiError::unavailable(format!("no daemon answers on {socket}: {found}")))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(HeaderMap, Bytes), ApiError> {
        let stream = self.connect().await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.cut(&error))?;
        // Ends with the connection, which ends when `sender` and the reply are dropped.
        let connection = tokio::spawn(connection);
        let result = async {
            let reply = sender.send_request(request).await.map_err(|error| self.cut(&error))?;
            let (head, body) = reply.into_parts();
            let body = Limited::new(body, limits::REPLY_BYTES)
                .collect()
                .await
                .map_err(|error| self.cut(&*error))?
                .to_bytes();
            if head.status.is_success() {
                return Ok((head.headers, body));
            }
            Err(serde_json::from_slice(&body).unwrap_or_else(|_| {
                ApiError::internal(format!("the daemon answered {} without a reason", head.status))
            }))
        }
        .await;
        connection.abort();
        result
    }

    fn cut(&self, error: &(dyn std::error::Error + 'static)) -> ApiError {
        let mut found = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            found = format!("{found}: {error}");
            source = error.source();
        }
        let socket = self.socket.display();
        ApiError::unavailable(format!("the daemon on {socket} broke off: {found}"))
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<(HeaderMap, Bytes), ApiError> {
        let mut request =
            Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|error| ApiError::bad_request(error.to_string()))?;
        // The daemon's own limit, and a little for the way.
        let limit = limit + limits::CONNECT;
        timeout(limit, self.exchange(request)).await.unwrap_or_else(|_| {
            let message = format!("no answer from the daemon within {} s", limit.as_secs());
            Err(ApiError::new(ErrorCode::Timeout, message))
        })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, ApiError> {
        let (_, body) = self.send(Method::GET, path, None, limits::REQUEST).await?;
        parse(&body)
    }

    /// Posts a question that is answered with JSON.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        parse(&self.post(path.to_owned(), body).await?)
    }

    async fn post(&self, path: String, body: &impl Serialize) -> Result<Bytes, ApiError> {
        let body =
            serde_json::to_vec(body).map_err(|error| ApiError::internal(error.to_string()))?;
        if body.len() > limits::REQUEST_BYTES {
            let message = format!(
                "a request of {} bytes, expected at most {}",
                body.len(),
                limits::REQUEST_BYTES
            );
            return Err(ApiError::new(ErrorCode::TooLarge, message));
        }
        Ok(self.send(Method::POST, path, Some(body), limits::REQUEST).await?.1)
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        ApiError::internal(format!("an answer that can't be read ({error}); another version?"))
    })
}

/// The address of a job. What can't be a prefix of a number can't be part of an address either.
fn of_job(job: &str, rest: &str) -> Result<String, ApiError> {
    if job.is_empty() || job.len() > 16 || !job.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!(
            "no job {job:?}: expected up to 16 hexadecimal digits; `outlast ps` lists jobs"
        );
        return Err(ApiError::not_found(message));
    }
    Ok(format!("/v1/jobs/{}{rest}", job.to_ascii_lowercase()))
}

impl Control for Client {
    fn status(&self) -> Answer<'_, NodeStatus> {
        Box::pin(self.get("/v1/status".to_owned()))
    }

    fn metrics(&self) -> Answer<'_, String> {
        Box::pin(async move {
            let (_, body) =
                self.send(Method::GET, "/metrics".to_owned(), None, limits::REQUEST).await?;
            String::from_utf8(body.into())
                .map_err(|_| ApiError::internal("figures that are no text"))
        })
    }

    fn nodes(&self) -> Answer<'_, Vec<NodeRow>> {
        Box::pin(self.get("/v1/nodes".to_owned()))
    }

    fn submit(&self, spec: JobSpec) -> Answer<'_, String> {
        Box::pin(async move {
            let reply = self.post("/v1/jobs".to_owned(), &spec).await?;
            parse::<Submitted>(&reply).map(|submitted| submitted.id)
        })
    }

    fn jobs(&self) -> Answer<'_, Vec<JobSummary>> {
        Box::pin(self.get("/v1/jobs".to_owned()))
    }

    fn job<'a>(&'a self, job: &'a str, gridlets: Page) -> Answer<'a, JobDetail> {
        Box::pin(async move {
            let Page { offset, limit } = gridlets;
            self.get(of_job(job, &format!("?offset={offset}&limit={limit}"))?).await
        })
    }

    fn wait<'a>(
        &'a self,
        job: &'a str,
        since: Option<u64>,
        timeout: Duration,
    ) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            let timeout = timeout.min(limits::WAIT);
            let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
            let path = of_job(job, &format!("/wait?timeout_ms={}{since}", timeout.as_millis()))?;
            let (_, body) = self.send(Method::GET, path, None, timeout).await?;
            parse(&body)
        })
    }

    fn logs<'a>(&'a self, job: &'a str) -> Answer<'a, Vec<LogEntry>> {
        Box::pin(async move { self.get(of_job(job, "/logs")?).await })
    }

    fn cancel<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            let path = of_job(job, "/cancel")?;
            parse(&self.send(Method::POST, path, None, limits::REQUEST).await?.1)
        })
    }

    fn retry<'a>(&'a self, job: &'a str) -> Answer<'a, JobSummary> {
        Box::pin(async move {
            let path = of_job(job, "/retry")?;
            parse(&self.send(Method::POST, path, None, limits::REQUEST).await?.1)
        })
    }

    fn why<'a>(&'a self, job: &'a str, gridlet: u32) -> Answer<'a, Why> {
        Box::pin(async move { self.get(of_job(job, &format!("/why?gridlet={gridlet}"))?).await })
    }

    fn preview<'a>(&'a self, job: &'a str) -> Answer<'a, PreviewFile> {
        Box::pin(async move {
            let path = of_job(job, "/preview")?;
            let (headers, body) = self.send(Method::GET, path, None, limits::REQUEST).await?;
            let media_type =
                headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            Ok(PreviewFile {
                media_type: media_type.unwrap_or("application/octet-stream").to_owned(),
                bytes: body.into(),
            })
        })
    }

    fn output<'a>(&'a self, job: &'a str, name: OutputName, offset: u64) -> Answer<'a, OutputPart> {
        Box::pin(async move {
            let path = of_job(job, &format!("/output/{}?offset={offset}", name.as_str()))?;
            let (headers, body) = self.send(Method::GET, path, None, limits::REQUEST).await?;
            let total = headers
                .get(TOTAL_HEADER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .ok_or_else(|| ApiError::internal("a part of an output without its length"))?;
            Ok(OutputPart { bytes: body.into(), total })
        })
    }

    fn down(&self, request: DownRequest) -> Answer<'_, ()> {
        Box::pin(async move { self.post("/v1/down".to_owned(), &request).await.map(drop) })
    }

    fn pardon<'a>(&'a self, node: &'a str) -> Answer<'a, Pardoned> {
        Box::pin(async move {
            let request = PardonRequest { node: node.to_owned() };
            parse(&self.post("/v1/pardon".to_owned(), &request).await?)
        })
    }
}
