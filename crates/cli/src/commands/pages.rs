//! `completions` and `man`.

use super::Context;
use crate::args::{CompletionsArgs, ManArgs};
use crate::exit::{Exit, Failure};
use crate::{human, pages};

/// `outlast completions`.
pub(super) fn completions(
    context: &mut Context<'_>,
    args: &CompletionsArgs,
) -> Result<Exit, Failure> {
    context.ui.write(&pages::completions(args.shell))?;
    Ok(Exit::OK)
}

/// `outlast man`.
pub(super) fn man(context: &mut Context<'_>, args: &ManArgs) -> Result<Exit, Failure> {
    let Some(folder) = &args.folder else {
        context.ui.write(&pages::manual_page()?)?;
        return Ok(Exit::OK);
    };
    let folder = context.cwd.join(folder);
    let written = pages::write_manual(&folder)
        .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?;
    if context.ui.json {
        context.ui.print_json(&written)?;
    } else {
        let pages = human::count(written.len() as u64, "page");
        context.ui.say(&format!("wrote {pages} to {}", folder.display()));
    }
    Ok(Exit::OK)
}
