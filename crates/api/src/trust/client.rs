//! [`TrustControl`] over the socket.

use super::{
    CreateVoRequest, ExpelRequest, Expelled, InviteRequest, Invited, Joined, TrustControl,
    VoDetail, VoRequest, VoSummary,
};
use crate::types::JoinRequest;
use crate::{Answer, Client};

impl TrustControl for Client {
    fn vos(&self) -> Answer<'_, Vec<VoSummary>> {
        Box::pin(self.get("/v1/vos".to_owned()))
    }

    fn vo(&self, request: VoRequest) -> Answer<'_, VoDetail> {
        Box::pin(async move { self.ask("/v1/vos/show", &request).await })
    }

    fn create_vo(&self, request: CreateVoRequest) -> Answer<'_, VoSummary> {
        Box::pin(async move { self.ask("/v1/vos", &request).await })
    }

    fn leave_vo(&self, request: VoRequest) -> Answer<'_, VoSummary> {
        Box::pin(async move { self.ask("/v1/vos/leave", &request).await })
    }

    fn invite(&self, request: InviteRequest) -> Answer<'_, Invited> {
        Box::pin(async move { self.ask("/v1/invite", &request).await })
    }

    fn expel(&self, request: ExpelRequest) -> Answer<'_, Expelled> {
        Box::pin(async move { self.ask("/v1/expel", &request).await })
    }

    fn join<'a>(&'a self, ticket: &'a str) -> Answer<'a, Joined> {
        let request = JoinRequest { ticket: ticket.to_owned() };
        Box::pin(async move { self.ask("/v1/join", &request).await })
    }
}
