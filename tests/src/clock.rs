//! A wall clock that is wrong, for a single process.
//!
//! Linux has no namespace for the time of day, and the product has no knob for it. So the C library's question is
//! answered by a few lines of C that are put before it (`LD_PRELOAD`). Clocks that only count are left alone.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::world::World;

/// The variable with the seconds to add.
const AHEAD: &str = "TEST_CLOCK_AHEAD_S";

const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    const char *ahead = getenv("TEST_CLOCK_AHEAD_S");
    if (result == 0 && clock == CLOCK_REALTIME && ahead) time->tv_sec += atoll(ahead);
    return result;
}
"#;

/// What makes a clock wrong.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
}

impl Clock {
    /// Compiles it.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new(world: &World) -> Result<Self, String> {
        let (source, library) = (world.path("clock.c"), world.path("clock.so"));
        std::fs::write(&source, SOURCE).map_err(|error| error.to_string())?;
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
        let done = cc.output().map_err(|error| format!("`cc`: {error}"))?;
        if done.status.success() {
            return Ok(Self { library });
        }
        Err(format!("`cc`: {}", String::from_utf8_lossy(&done.stderr).trim_end()))
    }

    /// The environment of a process whose clock is so many seconds ahead, or behind.
    pub fn env(&self, ahead_s: i64) -> [(String, OsString); 2] {
        [
            ("LD_PRELOAD".to_owned(), self.library.clone().into()),
            (AHEAD.to_owned(), ahead_s.to_string().into()),
        ]
    }
}
