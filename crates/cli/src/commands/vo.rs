//! Commands about virtual organisations.

use std::sync::Arc;

use outlast_api::trust::{
    CreateVoRequest, ExpelRequest, InviteRequest, JoinState, VoDetail, VoRequest, VoSummary,
};
use outlast_api::{Control, ErrorCode};

use super::Context;
use crate::args::JoinArgs;
use crate::args::vo::{ExpelArgs, InviteArgs, VoArgs, VoCommand};
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::{human, render};

/// Of organisations and nodes, not of jobs: the exit code for those isn't meant.
fn failure(error: outlast_api::ApiError) -> Failure {
    match error.code {
        ErrorCode::NotFound | ErrorCode::Conflict => Failure::failed(error.message),
        _ => error.into(),
    }
}

async fn daemon(context: &Context<'_>) -> Result<Arc<dyn Control>, Failure> {
    connect::daemon(&context.data_dir).await
}

/// `outlast vo`.
pub(super) async fn vo(context: &mut Context<'_>, args: VoArgs) -> Result<Exit, Failure> {
    let control = daemon(context).await?;
    match args.command {
        VoCommand::Create(args) => {
            let request = CreateVoRequest { name: args.name };
            let made = control.create_vo(request).await.map_err(failure)?;
            if context.ui.json {
                context.ui.print_json(&made)?;
            } else {
                let name = human::tame(&made.name);
                context.ui.say(&format!(
                    "made `{name}`, its key is {}; `outlast invite --vo` invites others",
                    human::short_id(&made.id)
                ));
            }
        }
        VoCommand::Leave(args) => {
            let request = VoRequest { vo: Some(args.name) };
            let left = control.leave_vo(request).await.map_err(failure)?;
            if context.ui.json {
                context.ui.print_json(&left)?;
            } else {
                let name = human::tame(&left.name);
                context.ui.say(&format!("left `{name}`; only a new ticket leads back"));
            }
        }
        VoCommand::List => {
            let vos = control.vos().await?;
            if context.ui.json {
                context.ui.print_json(&vos)?;
            } else {
                let table = render::vo::list(&vos, context.ui.width);
                context.ui.print(&table)?;
            }
        }
        VoCommand::Show(args) => {
            let shown = show(&control, args.name).await?;
            if context.ui.json {
                context.ui.print_json(&shown)?;
            } else {
                let width = context.ui.width;
                let texts: Vec<String> =
                    shown.iter().map(|vo| render::vo::detail(vo, width)).collect();
                context.ui.print(&texts.join("\n"))?;
            }
        }
    }
    Ok(Exit::OK)
}

/// The one that is named, or all.
async fn show(control: &Arc<dyn Control>, name: Option<String>) -> Result<Vec<VoDetail>, Failure> {
    let ids = match name {
        Some(name) => vec![name],
        None => control.vos().await?.into_iter().map(|VoSummary { id, .. }| id).collect(),
    };
    let mut shown = Vec::new();
    for id in ids {
        shown.push(control.vo(VoRequest { vo: Some(id) }).await.map_err(failure)?);
    }
    Ok(shown)
}

/// `outlast invite`.
pub(super) async fn invite(context: &mut Context<'_>, args: InviteArgs) -> Result<Exit, Failure> {
    let request = InviteRequest {
        vo: args.vo,
        rights: rights(args.role),
        expires_in_s: args.expires.map(|time| time.as_secs()),
        reusable: args.reusable,
        only_for: args.only_for,
        member_for_s: args.member_for.map(|time| time.as_secs()),
    };
    let invited = daemon(context).await?.invite(request).await.map_err(failure)?;
    if context.ui.json {
        context.ui.print_json(&invited)?;
        return Ok(Exit::OK);
    }
    context.ui.print(&format!("{}\n", invited.ticket))?;
    let name = human::tame(&invited.vo);
    let whom = if invited.reusable { "any number of nodes" } else { "one node" };
    context.ui.say(&format!(
        "for {whom} until {}, into `{name}` with the rights {}: there, `outlast up --join TICKET`; whoever has this line can use it",
        human::timestamp(invited.expires),
        invited.rights.join(",")
    ));
    Ok(Exit::OK)
}

/// `all` is all of them.
fn rights(role: Vec<String>) -> Vec<String> {
    if role.iter().any(|right| right == "all") {
        return ["submit", "execute", "invite", "manage"].map(str::to_owned).into();
    }
    role
}

/// `outlast expel`.
pub(super) async fn expel(context: &mut Context<'_>, args: ExpelArgs) -> Result<Exit, Failure> {
    let ExpelArgs { node, vo, with_invited } = args;
    let request = ExpelRequest { node, vo, with_invited };
    let expelled = daemon(context).await?.expel(request).await.map_err(failure)?;
    if context.ui.json {
        context.ui.print_json(&expelled)?;
        return Ok(Exit::OK);
    }
    let kept = match expelled.kept.len() {
        0 => String::new(),
        count => format!(
            "; {} that came by it or by the same ticket stay (--with-invited has them out, too)",
            human::count(count as u64, "member")
        ),
    };
    let (node, name) = (human::short_id(&expelled.node), human::tame(&expelled.vo));
    context
        .ui
        .say(&format!("node {node} is out of `{name}`, for all members that hear of it{kept}"));
    Ok(Exit::OK)
}

/// `outlast join`.
pub(super) async fn join(context: &mut Context<'_>, args: JoinArgs) -> Result<Exit, Failure> {
    let joined = daemon(context).await?.join(&args.ticket).await?;
    if context.ui.json {
        context.ui.print_json(&joined)?;
        return Ok(Exit::OK);
    }
    let name = human::tame(&joined.vo);
    let said = match (joined.state, joined.trouble) {
        (JoinState::Joined, _) => format!("a member of `{name}` now"),
        (JoinState::Already, _) => format!("a member of `{name}` already"),
        (JoinState::Waiting, None) => format!(
            "no node of the ticket answers yet; this node goes on trying, and `outlast vo list` tells once it is a member of `{name}`"
        ),
        (JoinState::Waiting, Some(why)) => {
            format!("not a member of `{name}` yet, trying on: {}", human::tame(&why))
        }
    };
    context.ui.say(&said);
    Ok(Exit::OK)
}

/// What `up` says about how to invite.
pub(super) fn how_to_invite(control_of: &[VoSummary]) -> String {
    let may = |vo: &&VoSummary| vo.trouble.is_none() && vo.rights.iter().any(|r| r == "invite");
    if control_of.iter().any(|vo| may(&vo)) {
        "`outlast invite` makes a ticket for others".to_owned()
    } else {
        "only members with the right to invite make tickets for others".to_owned()
    }
}
