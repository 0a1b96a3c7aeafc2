//! Runs the programs that application managers need at the submitter: to look at inputs, to
//! prepare parts of them, to compare answers and to join them ([`Tool`]).
//!
//! Each runs with an end to its time and its output, in a folder of its own or in the command's,
//! and dies with the node. What it may do is not limited otherwise: it is the user's own program on
//! the user's own machine.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use outlast_gridlet::{Content, Placed, Ran, TOOL_STDOUT_BYTES, Tool, is_inner_path};
use outlast_os::orphans::FOLDER_VARIABLE;
use outlast_os::{Spawn, SpawnError, find_program, spawn};
use outlast_types::limits;

use crate::executor::{DEFAULT_PATH, remove_tree};
use crate::store::Store;

/// Bytes of any file that a comparator writes, its output among them: it is given what strangers sent, and one that
/// writes without end would fill the disk before its time is over.
const COMPARED_BYTES: u64 = 1 << 30;

/// Where tools run.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Below the work folder, so that what is left of it goes at the next start.
    root: PathBuf,
    next: AtomicU64,
    /// `None`: tools see no blobs.
    store: Option<Arc<Store>>,
}

/// A folder that goes when this does.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove_tree(&self.0);
    }
}

impl Tools {
    pub(crate) fn new(work_dir: &Path, store: Arc<Store>) -> Self {
        let next = AtomicU64::new(1);
        Self { root: work_dir.join("tools"), next, store: Some(store) }
    }

    /// Without a node, for who only looks at inputs.
    pub(crate) fn alone(work_dir: &Path) -> Self {
        Self { root: work_dir.join("tools"), next: AtomicU64::new(1), store: None }
    }

    fn store(&self) -> io::Result<&Store> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "no store of blobs here");
        self.store.as_deref().ok_or_else(none)
    }

    /// An empty folder.
    pub(crate) fn scratch(&self) -> io::Result<Scratch> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let folder = self.root.join(number.to_string());
        fs::create_dir_all(&folder).map_err(|error| at(&folder, &error))?;
        Ok(Scratch(folder))
    }

    /// Runs a tool in a folder.
    pub(crate) fn run_in(&self, folder: &Path, tool: &Tool) -> io::Result<Ran> {
        self.run_limited(folder, tool, None)
    }

    fn run_limited(&self, folder: &Path, tool: &Tool, file_limit: Option<u64>) -> io::Result<Ran> {
        let own = self.scratch()?;
        let open = |name: &str| {
            File::options().create_new(true).read(true).append(true).open(own.path().join(name))
        };
        let (stdout, stderr) = (open("stdout")?, open("stderr")?);
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH));
        let missing = || {
            let text = format!("`{}` isn't installed here", tool.program);
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let program = if tool.program.contains('/') {
            folder.join(&tool.program)
        } else {
            find_program(&tool.program, &path).ok_or_else(missing)?
        };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let env = [
            ("PATH".to_owned(), path.to_string_lossy().into_owned()),
            ("HOME".to_owned(), std::env::var("HOME").unwrap_or_else(|_| text(own.path()))),
            ("TMPDIR".to_owned(), text(own.path())),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            // By this a later life of the daemon knows what it has to kill.
            (FOLDER_VARIABLE.to_owned(), text(own.path())),
        ];
        let child = spawn(&Spawn {
            program: &program,
            name: &tool.program,
            args: &tool.args,
            env: &env,
            folder,
            stdin: None,
            stdout: &stdout,
            stderr: &stderr,
            file_limit,
            nice: 0,
        })
        .map_err(|error| match error {
            SpawnError::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                missing()
            }
            error => io::Error::other(error.to_string()),
        })?;
        let deadline = Instant::now() + Duration::from_secs(u64::from(tool.timeout_s));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if child.wait(Some(left))? {
                break;
            }
            if left.is_zero() {
                // Dropping it kills it.
                let text = format!("`{}` didn't end within {} s", tool.program, tool.timeout_s);
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
        let exit = child.finish()?.code();
        Ok(Ran { exit, stdout: whole(stdout, &tool.program)?, stderr: tail(stderr)? })
    }

    /// Runs a comparator in a fresh folder that holds these files.
    pub(crate) fn compare(&self, files: &[(String, Content)], tool: &Tool) -> io::Result<Ran> {
        self.run_on(files, tool, Some(COMPARED_BYTES)).map(|(_, ran)| ran)
    }

    /// Runs a tool in a fresh folder that holds these files; the folder too, as what it wrote is there.
    fn run_on(
        &self,
        files: &[(String, Content)],
        tool: &Tool,
        file_limit: Option<u64>,
    ) -> io::Result<(Scratch, Ran)> {
        let folder = self.scratch()?;
        for (name, content) in files {
            if !is_inner_path(name) {
                let text = format!("{name:?} is not a relative path inside the tool's folder");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            let path = folder.path().join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(|error| at(parent, &error))?;
            }
            match content {
                Content::Inline(bytes) => fs::write(&path, bytes).map_err(|e| at(&path, &e))?,
                Content::Blob { hash, .. } => {
                    self.store()?.copy_to(hash, &path, false).map_err(io::Error::other)?;
                }
            }
        }
        let ran = self.run_limited(folder.path(), tool, file_limit)?;
        Ok((folder, ran))
    }

    /// Runs a tool in a fresh folder that holds these files, and hands what it wrote to `place`, which has to take it away.
    pub(crate) fn run_for(
        &self,
        files: &[(String, Content)],
        tool: &Tool,
        outputs: &[Placed],
        mut place: impl FnMut(&Path, &str) -> io::Result<()>,
    ) -> io::Result<Ran> {
        let (folder, ran) = self.run_on(files, tool, None)?;
        let ran = ran.ok(&tool.program)?;
        for Placed { from, to } in outputs {
            let path = folder.path().join(from);
            let is_file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
            if !is_inner_path(from) || !is_file {
                let text = format!(
                    "`{}` was expected to write {from:?}, found no such file: {}",
                    tool.program,
                    ran.stderr.trim_end()
                );
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            }
            place(&path, to)?;
        }
        Ok(ran)
    }
}

fn whole(mut file: File, program: &str) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > TOOL_STDOUT_BYTES as u64 {
        return Err(io::Error::other(format!(
            "`{program}` wrote {length} bytes, expected at most {TOOL_STDOUT_BYTES}"
        )));
    }
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn tail(mut file: File) -> io::Result<String> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(limits::LOG_TAIL_BYTES as u64)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Says where an error happened and keeps its kind.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(script: &str) -> Tool {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Tool { program: "sh".to_owned(), args, timeout_s: 20 }
    }

    fn tools(folder: &Path) -> Tools {
        Tools::new(&folder.join("work"), Store::open(folder).unwrap())
    }

    #[test]
    fn a_tool_sees_its_files_and_what_it_wrote_is_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let tools = tools(folder.path());
        let big = vec![7; 100_000];
        let hash = tools
            .store
            .as_ref()
            .unwrap()
            .put_bytes(&big, crate::store::Holder::Passing(0))
            .unwrap();
        let files = [
            ("a/b".to_owned(), Content::Inline(b"inline".to_vec())),
            ("big".to_owned(), Content::Blob { hash, length: big.len() as u64 }),
        ];
        let placed = Placed { from: "out".to_owned(), to: "there".to_owned() };
        let mut seen = Vec::new();
        let ran = tools
            .run_for(&files, &tool("cat a/b big > out; echo said"), &[placed], |path, to| {
                seen.push((fs::read(path)?.len(), to.to_owned()));
                Ok(())
            })
            .unwrap();
        assert_eq!(ran.stdout, b"said\n");
        assert_eq!(seen, [(100_006, "there".to_owned())]);
        let left = fs::read_dir(folder.path().join("work/tools")).unwrap().count();
        assert_eq!(left, 0, "nothing is left behind");
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let tools = tools(folder.path());
        let place = |_: &Path, _: &str| Ok(());
        let error = tools.run_for(&[], &tool("echo no >&2; exit 3"), &[], place).unwrap_err();
        assert_eq!(error.to_string(), "`sh` ended with exit code 3, expected 0: no");
        let wanted = Placed { from: "out".to_owned(), to: "x".to_owned() };
        let error = tools.run_for(&[], &tool("true"), &[wanted], place).unwrap_err();
        assert!(error.to_string().contains("expected to write \"out\""), "{error}");
        let absent = Tool { program: "no-such-program".to_owned(), args: vec![], timeout_s: 1 };
        let error = tools.run_in(folder.path(), &absent).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let slow = Tool { timeout_s: 0, ..tool("exec sleep 1000") };
        let error = tools.run_in(folder.path(), &slow).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let outside = [("../x".to_owned(), Content::Inline(vec![]))];
        assert!(tools.compare(&outside, &tool("true")).is_err());
        let (_, ran) = tools.run_on(&[], &tool("exec yes"), Some(100_000)).unwrap();
        assert!(ran.exit != 0 && ran.stdout.len() <= 100_000, "{}", ran.exit);
    }
}
