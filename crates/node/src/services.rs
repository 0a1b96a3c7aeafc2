//! Technical services of a job: from what a request names to what acts on it.
//!
//! The control API and [`outlast_deploy`] have forms of their own for the same thing: the API's is made
//! for other programs, that of the services for checking.

use std::sync::Arc;

use outlast_api::ApiError;
use outlast_api::types::{
    JobSpec, Schedule, ServiceBlock, ServiceInForce, ServiceSetting, ServiceValue,
};
use outlast_deploy::verification::DESCRIPTION;
use outlast_deploy::{
    Block, Error, Facts, Given, InForce, NodeSettings, Origin, Registry, Services, Value, read,
};
use outlast_gridlet::apps::manifest::Diagnostic;
use outlast_gridlet::compare::{self, Comparator};
use outlast_gridlet::{Application, ApplicationManager};
use outlast_types::NodeId;
use toml::de::DeTable;

/// What a node knows of the grid when a job is submitted.
pub(crate) struct Grid {
    /// Gridlets that can run at a time.
    pub(crate) slots: u32,
    /// Distinct nodes with slots; `None`: nobody else was found yet, so that nothing can be said.
    pub(crate) nodes: Option<u32>,
    /// All nodes that are known, this one too.
    pub(crate) known: Vec<NodeId>,
}

/// Where the service itself was named, among [`ServiceBlock::places`].
const CLASS: &str = "class";

/// A service as the API has it.
pub fn to_api(block: Block) -> ServiceBlock {
    let mut api = ServiceBlock { class: block.class, ..ServiceBlock::default() };
    let mut place = |name: &str, origin: Origin| {
        if !origin.text.is_empty() {
            api.places.insert(name.to_owned(), origin.text);
        }
    };
    place(CLASS, block.origin);
    for Given { name, value, origin, .. } in block.args {
        let value = match value {
            Value::Boolean(truth) => ServiceValue::Boolean(truth),
            Value::Integer(number) => ServiceValue::Integer(number),
            Value::Number(number) => ServiceValue::Number(number),
            Value::Text(text) | Value::Word(text) => ServiceValue::Text(text),
            Value::List(items) => ServiceValue::List(items),
            Value::Other(what) => ServiceValue::Text(what.to_owned()),
        };
        place(&name, origin);
        api.args.insert(name, value);
    }
    api
}

fn of_api(api: &ServiceBlock) -> Block {
    let place = |name: &str| Origin::said(api.places.get(name).cloned().unwrap_or_default());
    let mut block = Block::new(&api.class, place(CLASS));
    for (name, value) in &api.args {
        let value = match value {
            ServiceValue::Boolean(truth) => Value::Boolean(*truth),
            ServiceValue::Integer(number) => Value::Integer(*number),
            ServiceValue::Number(number) => Value::Number(*number),
            ServiceValue::Text(text) => Value::Text(text.clone()),
            ServiceValue::List(items) => Value::List(items.clone()),
        };
        block.push(name, value, place(name));
    }
    block
}

/// What a request says of verification in short.
fn in_short(spec: &JobSpec) -> Option<Block> {
    let short = &spec.verification;
    let mut block = Block::new(DESCRIPTION.class, Origin::default());
    let numbers = [
        ("replication", short.quorum),
        ("max_answers", short.max_answers),
        ("samples", short.samples),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            block.push(name, Value::Integer(number.into()), Origin::default());
        }
    }
    if let Some(schedule) = short.schedule {
        let name = match schedule {
            Schedule::Incremental => "incremental",
            Schedule::AllAtOnce => "all",
            Schedule::Auto => "auto",
        };
        block.push("schedule", Value::Text(name.to_owned()), Origin::default());
    }
    (!block.args.is_empty()).then_some(block)
}

fn said(registry: &Registry, spec: &JobSpec) -> Result<Vec<Block>, ApiError> {
    let blocks: Vec<Block> = spec.services.iter().map(of_api).collect();
    let blocks = registry.merge(blocks, in_short(spec).into_iter().collect());
    blocks.map_err(|errors| refuse(&errors))
}

/// The services that a request names, checked.
pub(crate) fn check(registry: &Registry, spec: &JobSpec) -> Result<Services, ApiError> {
    registry.check(&said(registry, spec)?).map_err(|errors| refuse(&errors))
}

/// The `[[service]]` tables of a manifest.
fn of_manifest(file: &str, text: &str) -> Result<Vec<Block>, Vec<Error>> {
    // What is no TOML at all is no manifest either, and was refused as such.
    DeTable::parse(text).map_or(Ok(Vec::new()), |root| read(file, text, root.get_ref()))
}

/// What is wrong with the services of a manifest, as far as it can be told without a node: others than
/// the built-in ones may be registered where it is used.
pub(crate) fn problems(file: &str, text: &str) -> Vec<Diagnostic> {
    let builtin = Registry::builtin();
    let known = |block: &Block| builtin.get(&block.class).is_some();
    let checked = of_manifest(file, text).and_then(|mut blocks| {
        blocks.retain(known);
        builtin.check(&blocks).map(drop)
    });
    let diagnostic = |error: Error| {
        let span = error.origin.span.clone().unwrap_or(0..0);
        Diagnostic::at(text, &span, error.problem.to_string(), error.help)
    };
    checked.err().unwrap_or_default().into_iter().map(diagnostic).collect()
}

/// What a request names, and what its application's manifest says besides; `None` if that says nothing, or
/// contradicts the request: then nothing of it holds.
///
/// # Errors
/// If the manifest's services are wrong by themselves.
pub(crate) fn with_defaults(
    registry: &Registry,
    spec: &JobSpec,
    application: &dyn Application,
) -> Result<Option<Services>, ApiError> {
    let Some(text) = application.text() else { return Ok(None) };
    let defaults = of_manifest(&application.origin(), &text).map_err(|errors| refuse(&errors))?;
    if defaults.is_empty() {
        return Ok(None);
    }
    registry.check(&defaults).map_err(|errors| refuse(&errors))?;
    let filled = registry.fill(said(registry, spec)?, defaults);
    Ok(registry.check(&filled).ok())
}

/// What services make of a job that is known by now.
pub(crate) fn apply(
    services: &Services,
    manager: &dyn ApplicationManager,
    grid: &Grid,
) -> Result<NodeSettings, ApiError> {
    let facts = Facts {
        app: manager.app().to_owned(),
        grid: manager.grid().clone(),
        gridlets: manager.gridlets().iter().map(|gridlet| gridlet.cells.clone()).collect(),
        samples: manager.samples(),
        nodes: grid.nodes,
        known: grid.known.clone(),
    };
    let mut settings = NodeSettings::new(facts);
    services.apply(&mut settings).map_err(|error| refuse(&[error]))?;
    Ok(settings)
}

/// The same job, judged by a comparator of the user's.
pub(crate) fn compared(
    services: &Services,
    manager: Arc<dyn ApplicationManager>,
    comparator: Comparator,
) -> Result<Arc<dyn ApplicationManager>, ApiError> {
    let made = compare::with(manager, comparator);
    made.map_err(|error| refuse_comparator(services, &error.to_string()))
}

/// A comparator that can't do its work.
pub(crate) fn refuse_comparator(services: &Services, why: &str) -> ApiError {
    refuse(&[services.refuse(DESCRIPTION.class, "comparator", why)])
}

/// One line for each.
fn refuse(errors: &[Error]) -> ApiError {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    ApiError::bad_request(lines.join("\n"))
}

/// What acts on a job, as the API has it.
pub(crate) fn in_force(services: &[InForce]) -> Vec<ServiceInForce> {
    let setting = |setting: &outlast_deploy::Setting| ServiceSetting {
        name: setting.name.clone(),
        value: setting.value.clone(),
        from: setting.from.clone(),
    };
    let service = |service: &InForce| ServiceInForce {
        class: service.class.clone(),
        settings: service.settings.iter().map(setting).collect(),
    };
    services.iter().map(service).collect()
}

#[cfg(test)]
mod tests;
