//! From a command to a job: taken apart by its application, inputs staged, ready for the kernel.

pub(crate) mod inputs;
mod known;

use std::collections::BTreeMap;
use std::sync::Arc;

use outlast_api::types::JobSpec;
use outlast_api::{ApiError, ErrorCode};
use outlast_deploy::Services;
use outlast_gridlet::compare::Comparator;
use outlast_gridlet::{ApplicationManager, Gridlet, OpenError, SourceFiles as _, SplitHint};
use outlast_job::cut;
use outlast_job::wire::ManifestRef;
use outlast_types::{GridletId, Hash, JobId, Region, limits, wire};
use outlast_vo::Rights;

use crate::apps::Catalogue;
use crate::control::folder_of;
use crate::jobs::{JobFiles, JobRecord};
use crate::services::Grid;
use crate::shared::Shared;
use crate::sink::DiskFiles;
use crate::store::Holder;
use inputs::InputError;
use known::Known;

/// Recipes that are tried for size before a job is taken on. They are alike; the spread finds the odd one.
const TRIED_RECIPES: usize = 32;

/// Does everything up to the kernel's word. Blocks.
pub(crate) fn prepare(
    shared: &Arc<Shared>,
    catalogue: &Catalogue,
    spec: JobSpec,
    known: &outlast_deploy::Registry,
    grid: &Grid,
) -> Result<(JobFiles, outlast_job::JobSpec), ApiError> {
    let vo = spec.vo.as_deref().map(|vo| {
        shared.trust.look(|keyring| crate::trust::pick(keyring, Some(vo), Rights::SUBMIT))
    });
    let vo = vo.transpose().map_err(|error| match error.code {
        // It is the command that can't be meant; no job is missing.
        ErrorCode::NotFound | ErrorCode::Conflict => ApiError::bad_request(error.message),
        _ => error,
    })?;
    let cwd = folder_of(&spec)?;
    let files = DiskFiles::new(cwd, Arc::clone(&shared.tools));
    let mut command = crate::apps::command_line(&spec);
    if spec.gridlets == Some(0) {
        return Err(ApiError::bad_request("0 gridlets, expected at least 1"));
    }
    let refuse = |error: OpenError| match error {
        OpenError::Usage(_) | OpenError::Input { .. } => ApiError::bad_request(error.to_string()),
        OpenError::State(_) => ApiError::internal(error.to_string()),
    };
    let (registry, broken) = catalogue.registry();
    let application = crate::apps::choose(&registry, &broken, spec.app.as_deref(), &command);
    let application = application.map_err(refuse)?;
    let hint = SplitHint { slots: grid.slots, gridlets: spec.gridlets };
    let mut manager = application.open(&command, &files, hint).map_err(refuse)?;
    // What the manifest says of its jobs holds where it fits this one.
    let services = match crate::services::with_defaults(known, &spec, application)? {
        Some(filled) if crate::services::apply(&filled, manager.as_ref(), grid).is_ok() => filled,
        _ => crate::services::check(known, &spec)?,
    };
    let services = &services;
    let mut settings = crate::services::apply(services, manager.as_ref(), grid)?;
    if !settings.env.is_empty() {
        // Known only once the job was; recipes have to have them.
        let mut env: BTreeMap<String, String> = command.env.drain(..).collect();
        env.append(&mut settings.env);
        command.env.extend(env);
        manager = application.open(&command, &files, hint).map_err(refuse)?;
    }
    let mut comparator = None;
    if let Some(way) = settings.verification.comparator.take() {
        let way = found(services, way, &files)?;
        manager = crate::services::compared(services, manager, way.clone())?;
        comparator = Some(way);
        // There are other samples then, or none.
        settings = crate::services::apply(services, manager.as_ref(), grid)?;
    }
    let layers = cut(&*manager, &settings.verification.policy, 0);
    try_recipes(
        manager.as_ref(),
        &layers.map_err(|error| ApiError::bad_request(error.to_string()))?,
    )?;
    let in_force = services.in_force(&settings);
    // Until the job has a name they are this submission's.
    let passing = shared.store.passing();
    let (manifest, blobs) = stage(shared, &files, manager.as_ref(), passing.holder())?;
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|e| ApiError::internal(e.to_string()))?;
    let (id, seed) = random.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte));
    let record = JobRecord {
        app: manager.restorer().to_owned(),
        state: manager.state(),
        manifest,
        blobs,
        policy: settings.verification.policy,
        comparator,
        trusted: std::mem::take(&mut settings.verification.trusted),
        services: in_force,
        seed: number(seed),
        created: shared.clock.now(),
        command,
        cwd: spec.cwd,
        name: spec.name,
        vo,
    };
    let id = JobId::from_u64(number(id));
    let needed = record.blobs.iter().chain([&record.manifest.hash]);
    shared.store.pin(needed, Holder::Submitted(id));
    let spec = record.spec_with(id, Arc::clone(&manager));
    // Again: what it was refused for may hang on the seed.
    let spec = spec.map_err(|error| ApiError::bad_request(error.to_string()))?;
    Ok((JobFiles::new(id, record, manager, false), spec))
}

/// A comparator whose program is here, called as it is to be called from anywhere.
fn found(
    services: &Services,
    comparator: Comparator,
    files: &DiskFiles,
) -> Result<Comparator, ApiError> {
    let comparator = comparator.resolved(|path| {
        let path = files.cwd.join(path);
        path.is_file().then(|| path.to_string_lossy().into_owned())
    });
    let missing = comparator.program().filter(|program| !files.has_program(program));
    let why = missing.map(|program| {
        format!(
            "no program `{program}` on this machine, where answers are compared; install it, or \
             choose another comparator"
        )
    });
    match why {
        Some(why) => Err(crate::services::refuse_comparator(services, &why)),
        None => Ok(comparator),
    }
}

/// A gridlet whose lease doesn't fit into a frame could never be handed out: better to say so now.
fn try_recipes(manager: &dyn ApplicationManager, layers: &[Vec<Region>]) -> Result<(), ApiError> {
    let cells = layers.iter().flatten().cloned();
    let cut = cells.map(|cells| Gridlet { id: GridletId(0), cells, cost: 1.0 });
    let gridlets: Vec<Gridlet> = manager.gridlets().iter().cloned().chain(cut).collect();
    let stride = gridlets.len().div_ceil(TRIED_RECIPES).max(1);
    for gridlet in gridlets.iter().step_by(stride).chain(gridlets.last()) {
        let cells: Vec<_> = manager.grid().cells_in(&gridlet.cells).collect();
        let recipe = manager.recipe(gridlet, &cells);
        // Room for the rest of the lease's frame.
        if let Err(error) = wire::encode(&recipe, limits::FRAME_BYTES - 4096) {
            return Err(ApiError::bad_request(format!(
                "the description of a gridlet is too long ({error}); use more gridlets"
            )));
        }
    }
    Ok(())
}

/// Puts the inputs, and the list of them, into the blob store.
fn stage(
    shared: &Arc<Shared>,
    files: &DiskFiles,
    manager: &dyn ApplicationManager,
    holder: Holder,
) -> Result<(ManifestRef, Vec<Hash>), ApiError> {
    let known = Known::open(&shared.data_dir.join("inputs.redb"));
    let staged = inputs::stage(&shared.store, &known, &files.cwd, manager.inputs(), holder);
    let tree = staged.map_err(|error| match error {
        InputError::Input { .. } | InputError::Tree(_) => ApiError::bad_request(error.to_string()),
        InputError::Store { .. } => ApiError::unavailable(error.to_string()),
    })?;
    let blobs: Vec<Hash> = tree.blobs().into_keys().collect();
    let bytes = tree.encode().map_err(|error| ApiError::bad_request(error.to_string()))?;
    let put = || {
        let hash = shared.store.put_bytes(&bytes, holder)?;
        shared.store.sync(blobs.iter().chain([&hash]))?;
        Ok(hash)
    };
    let hash = put()
        .map_err(|error: crate::store::StoreError| ApiError::unavailable(error.to_string()))?;
    Ok((ManifestRef { hash, length: bytes.len() as u64 }, blobs))
}
