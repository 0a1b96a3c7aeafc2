//! What a recipe needs, and what of it is laid out already.

use std::collections::BTreeSet;

use outlast_gridlet::{Collect, Needs, Program, Recipe, is_inner_path};
use outlast_types::limits;

/// Names of inputs kept for one job, to know what is laid out: of more, the shell is asked again.
const MAX_NAMES: usize = 100_000;

/// Which of a job's inputs are laid out.
#[derive(Debug, Default)]
pub(super) struct Laid {
    /// The job has its folder. Even a step that needs no inputs runs beside one.
    begun: bool,
    all: bool,
    names: BTreeSet<String>,
}

impl Laid {
    pub(super) fn covers(&self, needs: &Needs) -> bool {
        match needs {
            _ if self.all => true,
            Needs::All => false,
            Needs::Only(names) => self.begun && names.iter().all(|name| self.names.contains(name)),
        }
    }

    pub(super) fn add(&mut self, needs: Needs) {
        self.begun = true;
        match needs {
            Needs::All => self.all = true,
            Needs::Only(names) if self.names.len() + names.len() <= MAX_NAMES => {
                self.names.extend(names);
            }
            Needs::Only(_) => {}
        }
    }
}

/// The inputs that any of its steps needs.
pub(super) fn needs(recipe: &Recipe) -> Needs {
    let mut names = BTreeSet::new();
    for step in &recipe.steps {
        let Needs::Only(some) = &step.inputs else { return Needs::All };
        names.extend(some.iter().cloned());
        names.extend(step.stdin.iter().cloned());
        if let Program::Staged(program) = &step.program {
            names.insert(program.clone());
        }
    }
    Needs::Only(names.into_iter().collect())
}

/// Whether a recipe stays inside its folder and its bounds.
pub(super) fn validate(recipe: &Recipe) -> Result<(), String> {
    let mut cells = BTreeSet::new();
    if recipe.steps.is_empty() || recipe.steps.len() > limits::GRIDLET_CELLS {
        return Err(format!(
            "{} steps, expected 1 to {}",
            recipe.steps.len(),
            limits::GRIDLET_CELLS
        ));
    }
    let inner = |path: &String| {
        if is_inner_path(path) {
            Ok(())
        } else {
            Err(format!("path {path:?} leaves the job's folder"))
        }
    };
    for step in &recipe.steps {
        if let Program::Staged(path) = &step.program {
            inner(path)?;
        }
        if let Program::Installed(name) = &step.program
            && (name.is_empty() || name.contains('\0'))
        {
            return Err(format!("program {name:?} is no name"));
        }
        step.stdin.iter().try_for_each(inner)?;
        if let Needs::Only(names) = &step.inputs {
            names.iter().try_for_each(inner)?;
        }
        step.folders.iter().try_for_each(inner)?;
        if step.harvest.is_empty() {
            return Err("a step that answers no cell".to_owned());
        }
        for harvest in &step.harvest {
            if !cells.insert(harvest.cell) || cells.len() > limits::GRIDLET_CELLS {
                return Err(format!("cell {} twice, or too many cells", harvest.cell));
            }
            for collect in &harvest.collect {
                match collect {
                    Collect::File { path, name, .. } => inner(path).and(inner(name))?,
                    Collect::Stdout(name) | Collect::Stderr(name) => inner(name)?,
                    Collect::Tile { path, .. } => inner(path)?,
                    Collect::Created { .. } => {}
                }
            }
        }
    }
    Ok(())
}
