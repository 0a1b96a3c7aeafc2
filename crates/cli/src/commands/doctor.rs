//! `doctor`.

use super::Context;
use crate::args::UpArgs;
use crate::config;
use crate::doctor::{self, Level};
use crate::exit::{Exit, Failure};

/// `outlast doctor`.
pub(super) async fn doctor(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let config = config::for_up(context.data_dir.clone(), &context.cwd, UpArgs::default());
    let facts = doctor::gather(&context.data_dir, config).await;
    let findings = doctor::findings(&facts, env!("CARGO_PKG_VERSION"));
    if context.ui.json {
        context.ui.print_json(&findings)?;
    } else {
        let report = doctor::report(&findings, context.ui);
        context.ui.print(&report)?;
    }
    let problem = findings.iter().any(|finding| finding.level == Level::Problem);
    Ok(if problem { Exit::FAILED } else { Exit::OK })
}
