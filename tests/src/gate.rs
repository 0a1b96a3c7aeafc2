//! A program whose runs are counted, and end when the test says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::until;
use crate::world::World;

/// Runs `sh gate.sh N FOLDER`: notes that run N began, and where; waits while its gate is closed; notes
/// that it ended; prints an answer.
const SCRIPT: &str = r#"
echo "$1 $PWD" >> "$2/begun"
while [ -e "$2/closed" ] && ! [ -e "$2/open-$1" ]; do sleep 0.05; done
echo "$1 $PWD" >> "$2/ended"
echo "answer $1"
"#;

/// The gate of a sweep, shared by all its runs.
#[derive(Debug)]
pub struct Gate {
    folder: PathBuf,
}

impl Gate {
    /// A closed one, and the program `gate.sh` for jobs.
    ///
    /// # Panics
    /// If the files can't be written.
    pub fn closed(world: &World) -> Self {
        world.write("gate.sh", SCRIPT);
        // Outside of the job's folder: it is not an input.
        let folder = world.path("gate");
        fs::create_dir(&folder).expect("one gate for a test");
        fs::write(folder.join("closed"), "").expect("a folder of ours");
        Self { folder }
    }

    /// Arguments for `run` or `submit`: a sweep of `count` runs, each a gridlet of its own, accepted as soon
    /// as one node has answered.
    pub fn sweep(&self, count: u32) -> Vec<String> {
        let words = format!(
            "--param i=0..{} --gridlets {count} --replication 1 --samples 0 -- sh gate.sh {{i}} {}",
            count - 1,
            self.folder.display()
        );
        words.split(' ').map(str::to_owned).collect()
    }

    /// Lets one run end.
    ///
    /// # Panics
    /// If the file can't be written.
    pub fn open_for(&self, run: u32) {
        fs::write(self.folder.join(format!("open-{run}")), "").expect("a folder of ours");
    }

    /// Lets all runs end.
    ///
    /// # Panics
    /// If it is open.
    pub fn open(&self) {
        fs::remove_file(self.folder.join("closed")).expect("it was closed");
    }

    fn lines(&self, name: &str) -> Vec<(u32, String)> {
        let text = fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let line = |line: &str| {
            let (run, place) = line.split_once(' ')?;
            Some((run.parse().ok()?, place.to_owned()))
        };
        text.lines().filter_map(line).collect()
    }

    /// Runs that began, in order, with the folder that each ran in.
    pub fn begun(&self) -> Vec<(u32, String)> {
        self.lines("begun")
    }

    /// Runs that a node began; each as often as it did.
    pub fn begun_at(&self, node: &crate::Node<'_>) -> Vec<u32> {
        let folder = format!("{}/", node.data_dir().display());
        let there = |(run, place): (u32, String)| place.starts_with(&folder).then_some(run);
        self.begun().into_iter().filter_map(there).collect()
    }

    /// How often each run ended.
    pub fn ended(&self) -> BTreeMap<u32, u32> {
        let mut times = BTreeMap::new();
        for (run, _) in self.lines("ended") {
            *times.entry(run).or_default() += 1;
        }
        times
    }

    /// Waits until so many runs go on at a node.
    ///
    /// # Panics
    /// If they don't.
    #[track_caller]
    pub fn runs_at(&self, node: &crate::Node<'_>, count: usize) -> Vec<u32> {
        until(&format!("{count} runs at {}", node.name()), || {
            let runs = self.begun_at(node);
            (runs.len() >= count).then_some(runs)
        })
    }
}
