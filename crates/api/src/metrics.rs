//! Figures for monitoring: `/metrics` in the text format of OpenMetrics, and `/healthz`.
//!
//! Both are on the control socket, and on an address of their own if the user wants it ([`serve_metrics`]): a
//! scraper then needs no access to the socket, through which it could do everything. There is nothing there
//! that could be changed, and nothing that identifies a job.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::bounded::{Bounded, until};
use crate::server::{Node, in_time, unknown};
use crate::{ApiError, Control, limits};

/// What `/metrics` answers with.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves `/metrics` and `/healthz`, and nothing else, until `shutdown` completes.
///
/// # Errors
/// None at present: a connection's failure is its own.
pub async fn serve_metrics(
    listener: TcpListener,
    control: Arc<dyn Control>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let listener = Bounded::new(listener, limits::METRICS_CONNECTIONS, Some(limits::METRICS_IDLE));
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(control);
    until(shutdown, |stopped| {
        axum::serve(listener, routes).with_graceful_shutdown(stopped).into_future()
    })
    .await
}

/// The node in figures, in the text format of OpenMetrics.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, content_type = "application/openmetrics-text", body = String),
    (status = "default", body = ApiError)
))]
pub(crate) async fn metrics(State(node): Node) -> Result<Response, ApiError> {
    let text = in_time(node.metrics()).await?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

/// Whether the node answers and can write its journal.
#[utoipa::path(get, path = "/healthz", responses(
    (status = 200, content_type = "text/plain", body = String),
    (status = 503, content_type = "text/plain", body = String)
))]
pub(crate) async fn health(State(node): Node) -> (StatusCode, String) {
    let answer = tokio::time::timeout(limits::HEALTH, node.status()).await;
    match answer {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n".to_owned()),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        Err(_) => {
            let seconds = limits::HEALTH.as_secs();
            (StatusCode::SERVICE_UNAVAILABLE, format!("no answer within {seconds} s\n"))
        }
    }
}
