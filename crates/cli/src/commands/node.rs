//! Commands about nodes.

use std::time::Duration;

use outlast_api::types::{DownRequest, NodeRow};
use outlast_api::{Client, ErrorCode};
use outlast_node::TICKET_REFUSED;
use tokio::time::{Instant, sleep};

use super::Context;
use super::vo;
use super::watch::{self, Row, View};
use crate::args::{DownArgs, PardonArgs, UpArgs, WatchArgs};
use crate::config;
use crate::connect;
use crate::exit::{Exit, Failure};
use crate::human;
use crate::render;

/// How long running work may take to end after Ctrl-C on `up`; as `down` by default.
const DRAIN: Duration = Duration::from_secs(30);

/// How long a daemon may take to go after its work has ended.
const GOODBYE: Duration = Duration::from_secs(10);

/// How often `down` looks whether it is gone.
const GONE_POLL: Duration = Duration::from_millis(50);

/// `outlast up`.
pub(super) async fn up(context: &mut Context<'_>, args: UpArgs) -> Result<Exit, Failure> {
    let config = config::for_up(context.data_dir.clone(), &context.cwd, args)?;
    let node = connect::start_daemon(context.embedder, &config).await;
    let mut node = node.map_err(connect::start_failure)?;
    let mut interrupts = context.interrupts()?;
    let control = node.control();
    let status = control.status().await?;
    context.ui.say(&format!(
        "{} is up on {}; {}; Ctrl-C leaves",
        status.name,
        status.addresses.join(" "),
        vo::how_to_invite(&status.vos)
    ));
    let printed = if context.ui.json {
        context.ui.print_json(&status)
    } else {
        context.ui.print(&format!("{}\n", status.id))
    };
    match printed {
        // Whoever read the key may have left.
        Err(failure) if failure.exit != Exit::OK => context.ui.complain(&failure.message),
        _ => {}
    }
    let mut leaving = false;
    loop {
        tokio::select! {
            ended = node.ended() => {
                return ended.map(|()| Exit::OK).map_err(|why| {
                    if why.starts_with(TICKET_REFUSED) {
                        return Failure::new(Exit::REFUSED, why);
                    }
                    Failure::failed(format!("the node ended: {why}"))
                });
            }
            _ = interrupts.next() => {
                if leaving {
                    node.stop().await;
                    return Ok(Exit::INTERRUPTED);
                }
                leaving = true;
                context.ui.say("leaving; once more leaves at once");
                control.down(DownRequest { drain: true, timeout_s: DRAIN.as_secs_f64() }).await?;
            }
        }
    }
}

/// `outlast nodes`.
pub(super) async fn nodes(context: &mut Context<'_>, args: WatchArgs) -> Result<Exit, Failure> {
    if let Some(interval) = args.watch {
        return watch::watch(context, interval, async |context| {
            let nodes = connect::daemon(&context.data_dir).await?.nodes().await?;
            let table = render::nodes(&nodes, context.ui.width);
            Ok(View { table, rows: nodes.iter().map(node_row).collect() })
        })
        .await;
    }
    let nodes = connect::daemon(&context.data_dir).await?.nodes().await?;
    if context.ui.json {
        context.ui.print_json(&nodes)?;
    } else {
        let table = render::nodes(&nodes, context.ui.width);
        context.ui.print(&table)?;
    }
    Ok(Exit::OK)
}

/// Load, and when it was last heard, change without being news.
fn node_row(node: &NodeRow) -> Row {
    let state = format!(
        "{}  {}  {} of {} slots free",
        render::node_name(&node.name, &node.id),
        render::node_state(node),
        node.free,
        node.slots
    );
    Row {
        id: human::short_id(&node.id).to_owned(),
        line: state.clone(),
        state,
        json: serde_json::json!(node),
    }
}

/// `outlast status`.
pub(super) async fn status(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let status = connect::daemon(&context.data_dir).await?.status().await?;
    if context.ui.json {
        context.ui.print_json(&status)?;
    } else {
        let text = render::status(&status, context.ui.width);
        context.ui.print(&text)?;
    }
    Ok(Exit::OK)
}

/// `outlast pardon`.
pub(super) async fn pardon(context: &mut Context<'_>, args: PardonArgs) -> Result<Exit, Failure> {
    let pardoned = connect::daemon(&context.data_dir).await?.pardon(&args.node).await;
    let pardoned = pardoned.map_err(|error| match error.code {
        // Of nodes, not of jobs: the exit code for those isn't meant.
        ErrorCode::NotFound | ErrorCode::Conflict => Failure::failed(error.message),
        _ => error.into(),
    })?;
    if context.ui.json {
        context.ui.print_json(&pardoned)?;
    } else {
        let node = &pardoned.node;
        context
            .ui
            .say(&format!("node {node} gets work again; its next wrong answer lists it anew"));
    }
    Ok(Exit::OK)
}

/// `outlast down`.
pub(super) async fn down(context: &mut Context<'_>, args: DownArgs) -> Result<Exit, Failure> {
    let control = connect::daemon(&context.data_dir).await?;
    let unfinished = control.status().await.map_or(0, |status| status.running_jobs);
    if unfinished > 0 {
        let jobs = human::count(unfinished.into(), "job");
        let text = format!("{jobs} submitted here will go on once `outlast up` runs again");
        context.ui.say(&text);
    }
    let request = DownRequest { drain: !args.now, timeout_s: args.timeout.as_secs_f64() };
    match control.down(request).await {
        Ok(()) => {}
        // It may be gone before its answer is out.
        Err(error) if error.code == ErrorCode::Unavailable => {}
        Err(error) => return Err(error.into()),
    }
    let client = Client::new(&context.data_dir);
    let patience = if args.now { GOODBYE } else { args.timeout.saturating_add(GOODBYE) };
    let start = Instant::now();
    while client.is_there().await {
        if start.elapsed() >= patience {
            let message = "the daemon is still there; `outlast down --now` ends it at once";
            return Err(Failure::new(Exit::TIMEOUT, message));
        }
        sleep(GONE_POLL).await;
    }
    context.ui.say("the daemon is gone");
    Ok(Exit::OK)
}
