//! The routes of [`TrustControl`](super::TrustControl).

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::routing::{get, post};
use axum::{Json, Router};
use utoipa::OpenApi;

use super::{
    CreateVoRequest, ExpelRequest, Expelled, InviteRequest, Invited, JoinState, Joined, VoDetail,
    VoExpelled, VoInvitation, VoMember, VoRequest, VoSummary,
};
use crate::server::{Node, Reply, in_time, to_the_end};
use crate::types::JoinRequest;
use crate::{ApiError, Control};

type Body<T> = Result<Json<T>, JsonRejection>;

pub(crate) fn routes() -> Router<Arc<dyn Control>> {
    Router::new()
        .route("/v1/vos", get(vos).post(create_vo))
        .route("/v1/vos/show", post(vo))
        .route("/v1/vos/leave", post(leave_vo))
        .route("/v1/invite", post(invite))
        .route("/v1/expel", post(expel))
        .route("/v1/join", post(join))
}

#[derive(OpenApi)]
#[openapi(
    paths(vos, vo, create_vo, leave_vo, invite, expel, join),
    components(schemas(
        CreateVoRequest,
        ExpelRequest,
        Expelled,
        InviteRequest,
        Invited,
        JoinRequest,
        JoinState,
        Joined,
        VoDetail,
        VoExpelled,
        VoInvitation,
        VoMember,
        VoRequest,
        VoSummary
    ))
)]
pub(crate) struct Description;

/// The virtual organisations that the node is a member of.
#[utoipa::path(get, path = "/v1/vos", responses(
    (status = 200, body = Vec<VoSummary>), (status = "default", body = ApiError)
))]
async fn vos(State(node): Node) -> Reply<Vec<VoSummary>> {
    in_time(node.vos()).await.map(Json)
}

/// All about one.
#[utoipa::path(post, path = "/v1/vos/show", request_body = VoRequest, responses(
    (status = 200, body = VoDetail), (status = "default", body = ApiError)
))]
async fn vo(State(node): Node, request: Body<VoRequest>) -> Reply<VoDetail> {
    let Json(request) = request?;
    in_time(node.vo(request)).await.map(Json)
}

/// Makes one.
#[utoipa::path(post, path = "/v1/vos", request_body = CreateVoRequest, responses(
    (status = 200, body = VoSummary), (status = "default", body = ApiError)
))]
async fn create_vo(State(node): Node, request: Body<CreateVoRequest>) -> Reply<VoSummary> {
    let Json(request) = request?;
    to_the_end(async move { node.create_vo(request).await }).await.map(Json)
}

/// Leaves one.
#[utoipa::path(post, path = "/v1/vos/leave", request_body = VoRequest, responses(
    (status = 200, body = VoSummary), (status = "default", body = ApiError)
))]
async fn leave_vo(State(node): Node, request: Body<VoRequest>) -> Reply<VoSummary> {
    let Json(request) = request?;
    to_the_end(async move { node.leave_vo(request).await }).await.map(Json)
}

/// Makes an invitation.
#[utoipa::path(post, path = "/v1/invite", request_body = InviteRequest, responses(
    (status = 200, body = Invited), (status = "default", body = ApiError)
))]
async fn invite(State(node): Node, request: Body<InviteRequest>) -> Reply<Invited> {
    let Json(request) = request?;
    to_the_end(async move { node.invite(request).await }).await.map(Json)
}

/// Throws a node out.
#[utoipa::path(post, path = "/v1/expel", request_body = ExpelRequest, responses(
    (status = 200, body = Expelled), (status = "default", body = ApiError)
))]
async fn expel(State(node): Node, request: Body<ExpelRequest>) -> Reply<Expelled> {
    let Json(request) = request?;
    to_the_end(async move { node.expel(request).await }).await.map(Json)
}

/// Joins with a ticket.
#[utoipa::path(post, path = "/v1/join", request_body = JoinRequest, responses(
    (status = 200, body = Joined), (status = "default", body = ApiError)
))]
async fn join(State(node): Node, request: Body<JoinRequest>) -> Reply<Joined> {
    let Json(request) = request?;
    to_the_end(async move { node.join(&request.ticket).await }).await.map(Json)
}
