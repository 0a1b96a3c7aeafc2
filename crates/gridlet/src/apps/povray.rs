//! `povray`: a picture in tiles, or an animation in frames (GINGER, section 5).
//!
//! ```text
//!  argv ──options──▶ Settings ──target──▶ format, area, frames ─┐
//!                       └─────scene──▶ files, what spoils tiles ┴─split──▶ Plan
//!  Plan ──recipe──▶ one run of POV-Ray per cell, or per run of frames ──▶ tiles ──merge──▶ files
//! ```
//!
//! *Exactness.* What `merge` writes is, pixel for pixel, what `povray +WT1` writes here, but for POV-Ray's own noise (see
//! `manager`: what it remembers from ray to ray). POV-Ray renders blocks of
//! 32 × 32 pixels that begin at the corner of the part being rendered, so cuts on that raster give the blocks of a
//! whole render; one thread makes each run repeatable. Scenes where blocks depend on one another are found out by
//! what they use (see `scene`) and stay whole.
//!
//! *What a worker decides.* Its POV-Ray reads its own start-up file for the place of the standard includes, and
//! all that changes the picture is said on the command line instead. Versions of POV-Ray may still differ:
//! `--set tolerance=N` accepts differences of N steps of 255. Without it, answers may differ by POV-Ray's own noise
//! (one pixel in ten thousand by a few steps); `--set tolerance=0` wants every sample the same.

mod ini;
mod manager;
mod options;
mod plan;
mod scan;
mod scene;
mod split;
mod target;

use std::sync::Arc;

use crate::{Application, ApplicationManager, CommandLine, OpenError, SourceFiles, SplitHint};
use manager::Manager;
use plan::Plan;

/// The application.
#[derive(Clone, Copy, Debug, Default)]
pub struct Povray;

impl Application for Povray {
    fn name(&self) -> &str {
        manager::NAME
    }

    fn recognises(&self, command: &CommandLine) -> bool {
        command.argv.first().is_some_and(|program| program.rsplit('/').next() == Some("povray"))
    }

    fn programs(&self) -> Vec<String> {
        vec!["povray".to_owned()]
    }

    fn open(
        &self,
        command: &CommandLine,
        files: &dyn SourceFiles,
        hint: SplitHint,
    ) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        Ok(Arc::new(Manager::new(Plan::new(command, files, hint)?)))
    }

    fn restore(&self, state: &[u8]) -> Result<Arc<dyn ApplicationManager>, OpenError> {
        Ok(Arc::new(Manager::restore(state)?))
    }
}

#[cfg(test)]
mod tests;
