//! The routes: HTTP on one side, [`Control`] on the other.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::{IntoParams, OpenApi};

use crate::bounded::{Bounded, until};
use crate::metrics;
use crate::socket::ControlSocket;
use crate::types::{
    DownRequest, FailureKind, GridletRow, JobDetail, JobFailure, JobSpec, JobState, JobSummary,
    LogEntry, NodeRow, NodeState, NodeStatus, NodeVo, OutputName, Page, Param, PardonRequest,
    Pardoned, Proof, Schedule, ServiceBlock, ServiceInForce, ServiceSetting, ServiceValue,
    Submitted, VerificationPolicy, VerificationSpec, VerificationStats, Why, WorkerRow,
    WrongAnswer,
};
use crate::{ApiError, Control, ErrorCode, limits};

/// Header of a part of a program's output: bytes of the whole.
pub(crate) const TOTAL_HEADER: &str = "outlast-total";

pub(crate) type Node = State<Arc<dyn Control>>;
pub(crate) type Reply<T> = Result<Json<T>, ApiError>;

/// Serves `control` on `socket` until `shutdown` completes; requests in flight then have
/// [`limits::GRACE`] to end. The socket is gone afterwards.
///
/// # Errors
/// None at present: a connection's failure is its own.
pub async fn serve(
    socket: ControlSocket,
    control: Arc<dyn Control>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    // The name goes when this function ends, however it ends.
    let (listener, _name) = socket.split();
    let listener = Bounded::new(listener, limits::CONNECTIONS, None);
    until(shutdown, |stopped| {
        axum::serve(listener, routes(control)).with_graceful_shutdown(stopped).into_future()
    })
    .await
}

fn routes(control: Arc<dyn Control>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/nodes", get(nodes))
        .route("/v1/jobs", get(jobs).post(submit))
        .route("/v1/jobs/{job}", get(job))
        .route("/v1/jobs/{job}/wait", get(wait))
        .route("/v1/jobs/{job}/logs", get(logs))
        .route("/v1/jobs/{job}/cancel", post(cancel))
        .route("/v1/jobs/{job}/retry", post(retry))
        .route("/v1/jobs/{job}/why", get(why))
        .route("/v1/jobs/{job}/preview", get(preview))
        .route("/v1/jobs/{job}/output/{name}", get(output))
        .route("/v1/down", post(down))
        .route("/v1/pardon", post(pardon))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(metrics::health))
        .merge(crate::trust::routes())
        .route("/openapi.json", get(|| async { Json(openapi()) }))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::max(limits::REQUEST_BYTES))
        .with_state(control)
}

/// The API in OpenAPI 3.1.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi().merge_from(crate::trust::Description::openapi())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Outlast control API",
        description = "Spoken over HTTP/1.1 on DATA_DIR/control.sock"
    ),
    paths(
        status,
        nodes,
        jobs,
        submit,
        job,
        wait,
        logs,
        cancel,
        retry,
        why,
        preview,
        output,
        down,
        pardon,
        metrics::metrics,
        metrics::health
    ),
    components(schemas(
        ApiError,
        ErrorCode,
        DownRequest,
        FailureKind,
        GridletRow,
        crate::types::Evidence,
        crate::types::Mate,
        JobDetail,
        JobFailure,
        JobSpec,
        JobState,
        JobSummary,
        LogEntry,
        NodeRow,
        NodeState,
        NodeStatus,
        crate::types::Reach,
        crate::types::Scene,
        crate::types::SceneKind,
        crate::types::Observed,
        crate::types::Relay,
        NodeVo,
        OutputName,
        Page,
        Param,
        PardonRequest,
        Pardoned,
        Proof,
        Schedule,
        ServiceBlock,
        ServiceInForce,
        ServiceSetting,
        ServiceValue,
        Submitted,
        VerificationPolicy,
        VerificationSpec,
        VerificationStats,
        WorkerRow,
        WrongAnswer
    ))
)]
struct Description;

/// How the node is.
#[utoipa::path(get, path = "/v1/status", responses(
    (status = 200, body = NodeStatus), (status = "default", body = ApiError)
))]
async fn status(State(node): Node) -> Reply<NodeStatus> {
    in_time(node.status()).await.map(Json)
}

/// The nodes that it knows.
#[utoipa::path(get, path = "/v1/nodes", responses(
    (status = 200, body = Vec<NodeRow>), (status = "default", body = ApiError)
))]
async fn nodes(State(node): Node) -> Reply<Vec<NodeRow>> {
    in_time(node.nodes()).await.map(Json)
}

/// The jobs that were submitted here, the latest first.
#[utoipa::path(get, path = "/v1/jobs", responses(
    (status = 200, body = Vec<JobSummary>), (status = "default", body = ApiError)
))]
async fn jobs(State(node): Node) -> Reply<Vec<JobSummary>> {
    in_time(node.jobs()).await.map(Json)
}

/// Takes a job on.
#[utoipa::path(post, path = "/v1/jobs", request_body = JobSpec, responses(
    (status = 200, body = Submitted), (status = "default", body = ApiError)
))]
async fn submit(State(node): Node, spec: Result<Json<JobSpec>, JsonRejection>) -> Reply<Submitted> {
    let Json(spec) = spec?;
    let id = to_the_end(async move { node.submit(spec).await }).await?;
    Ok(Json(Submitted { id }))
}

/// Which page of a job's gridlets.
#[derive(Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// The first gridlet.
    offset: u32,
    /// How many, at most 1024.
    limit: u32,
}

impl Default for PageQuery {
    fn default() -> Self {
        Self { offset: 0, limit: limits::PAGE }
    }
}

/// All about a job.
#[utoipa::path(get, path = "/v1/jobs/{job}",
    params(("job" = String, Path, description = "a job's number or a unique prefix"), PageQuery),
    responses((status = 200, body = JobDetail), (status = "default", body = ApiError)))]
async fn job(State(node): Node, Path(job): Path<String>, uri: Uri) -> Reply<JobDetail> {
    let PageQuery { offset, limit } = query(&uri)?;
    let page = Page { offset, limit: limit.min(limits::PAGE) };
    in_time(node.job(&job, page)).await.map(Json)
}

/// What to wait for.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct WaitQuery {
    /// The version that the client knows; absent: the reply comes at once.
    since: Option<u64>,
    /// How long to wait at most, in milliseconds; at most 50 000.
    timeout_ms: Option<u64>,
}

/// Waits until something about a job changed, or it ended.
#[utoipa::path(get, path = "/v1/jobs/{job}/wait",
    params(("job" = String, Path, description = "a job's number or a unique prefix"), WaitQuery),
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
async fn wait(State(node): Node, Path(job): Path<String>, uri: Uri) -> Reply<JobSummary> {
    let WaitQuery { since, timeout_ms } = query(&uri)?;
    let timeout = timeout_ms.map_or(limits::WAIT, Duration::from_millis).min(limits::WAIT);
    in_time(node.wait(&job, since, timeout)).await.map(Json)
}

/// What happened to a job.
#[utoipa::path(get, path = "/v1/jobs/{job}/logs",
    params(("job" = String, Path, description = "a job's number or a unique prefix")),
    responses((status = 200, body = Vec<LogEntry>), (status = "default", body = ApiError)))]
async fn logs(State(node): Node, Path(job): Path<String>) -> Reply<Vec<LogEntry>> {
    in_time(node.logs(&job)).await.map(Json)
}

/// Ends a job.
#[utoipa::path(post, path = "/v1/jobs/{job}/cancel",
    params(("job" = String, Path, description = "a job's number or a unique prefix")),
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
async fn cancel(State(node): Node, Path(job): Path<String>) -> Reply<JobSummary> {
    to_the_end(async move { node.cancel(&job).await }).await.map(Json)
}

/// Writes the output of a job again that couldn't be written.
#[utoipa::path(post, path = "/v1/jobs/{job}/retry",
    params(("job" = String, Path, description = "a job's number or a unique prefix")),
    responses((status = 200, body = JobSummary), (status = "default", body = ApiError)))]
async fn retry(State(node): Node, Path(job): Path<String>) -> Reply<JobSummary> {
    to_the_end(async move { node.retry(&job).await }).await.map(Json)
}

/// Which gridlet's story.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct WhyQuery {
    /// Its number.
    gridlet: u32,
}

/// Why the cells of a gridlet were decided as they were.
#[utoipa::path(get, path = "/v1/jobs/{job}/why",
    params(("job" = String, Path, description = "a job's number or a unique prefix"), WhyQuery),
    responses((status = 200, body = Why), (status = "default", body = ApiError)))]
async fn why(State(node): Node, Path(job): Path<String>, uri: Uri) -> Reply<Why> {
    let WhyQuery { gridlet } = query(&uri)?;
    in_time(node.why(&job, gridlet)).await.map(Json)
}

/// What is accepted so far, to look at.
#[utoipa::path(get, path = "/v1/jobs/{job}/preview",
    params(("job" = String, Path, description = "a job's number or a unique prefix")),
    responses((status = 200, content_type = "image/png", body = Vec<u8>),
        (status = "default", body = ApiError)))]
async fn preview(State(node): Node, Path(job): Path<String>) -> Result<Response, ApiError> {
    let file = in_time(node.preview(&job)).await?;
    Ok(([(header::CONTENT_TYPE, file.media_type)], file.bytes).into_response())
}

/// From where on.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct OutputQuery {
    /// The first byte.
    offset: u64,
}

/// A part of what the program of a `command` job wrote; the header `outlast-total` has the bytes of the whole.
#[utoipa::path(get, path = "/v1/jobs/{job}/output/{name}",
    params(("job" = String, Path, description = "a job's number or a unique prefix"),
        ("name" = OutputName, Path, description = "which stream"), OutputQuery),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "default", body = ApiError)))]
async fn output(
    State(node): Node,
    Path((job, name)): Path<(String, String)>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let OutputQuery { offset } = query(&uri)?;
    let name = [OutputName::Stdout, OutputName::Stderr]
        .into_iter()
        .find(|known| known.as_str() == name)
        .ok_or_else(|| {
            ApiError::bad_request(format!("expected stdout or stderr, found {name:?}"))
        })?;
    let part = in_time(node.output(&job, name, offset)).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::HeaderName::from_static(TOTAL_HEADER), part.total.to_string()),
    ];
    Ok((headers, part.bytes).into_response())
}

/// Leaves the grid and ends the daemon.
#[utoipa::path(post, path = "/v1/down", request_body = DownRequest, responses(
    (status = 202), (status = "default", body = ApiError)
))]
async fn down(
    State(node): Node,
    request: Result<Json<DownRequest>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Json(request) = request?;
    to_the_end(async move { node.down(request).await }).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Takes a node off the blacklist.
#[utoipa::path(post, path = "/v1/pardon", request_body = PardonRequest, responses(
    (status = 200, body = Pardoned), (status = "default", body = ApiError)
))]
async fn pardon(
    State(node): Node,
    request: Result<Json<PardonRequest>, JsonRejection>,
) -> Reply<Pardoned> {
    let Json(request) = request?;
    to_the_end(async move { node.pardon(&request.node).await }).await.map(Json)
}

pub(crate) async fn unknown(method: axum::http::Method, uri: Uri) -> ApiError {
    let message = format!("no route {method} {}; is it another version's?", uri.path());
    ApiError::new(ErrorCode::Unsupported, message)
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let Query(value) = Query::try_from_uri(uri)
        .map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    Ok(value)
}

/// A request that may be dropped at any point, as it is when its client goes away.
pub(crate) async fn in_time<T>(
    answer: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    tokio::time::timeout(limits::REQUEST, answer).await.unwrap_or_else(|_| Err(too_slow()))
}

/// A request that changes something: it isn't left half done when its client goes away.
pub(crate) async fn to_the_end<T: Send + 'static>(
    answer: impl Future<Output = Result<T, ApiError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::time::timeout(limits::REQUEST, tokio::spawn(answer)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(ApiError::internal(format!("the request failed: {panic}"))),
        Err(_) => Err(too_slow()),
    }
}

fn too_slow() -> ApiError {
    let message = format!("no answer within {} s", limits::REQUEST.as_secs());
    ApiError::new(ErrorCode::Timeout, message)
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
            _ => ErrorCode::BadRequest,
        };
        Self::new(code, rejection.body_text())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}
