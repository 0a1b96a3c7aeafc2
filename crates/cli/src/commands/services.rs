//! `services`: how jobs may be treated. Needs no node.

use outlast_deploy::Description;

use super::Context;
use crate::args::services::ServicesArgs;
use crate::exit::{Exit, Failure};
use crate::render;

pub(super) fn services(context: &mut Context<'_>, args: &ServicesArgs) -> Result<Exit, Failure> {
    let registry = context.embedder.services();
    let all: Vec<&Description> = registry.descriptions().collect();
    let Some(name) = &args.name else {
        if context.ui.json {
            context.ui.print_json(&all)?;
        } else {
            context.ui.print(&render::services(&all, context.ui.width))?;
        }
        return Ok(Exit::OK);
    };
    let Some(service) = registry.get(name) else {
        let known: Vec<&str> = all.iter().map(|service| service.class).collect();
        return Err(Failure::usage(format!(
            "unknown service `{name}`, expected one of {}",
            known.join(", ")
        )));
    };
    if context.ui.json {
        context.ui.print_json(service)?;
    } else {
        context.ui.print(&render::service(service, context.ui.width))?;
    }
    Ok(Exit::OK)
}
