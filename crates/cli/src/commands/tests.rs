//! Commands against nodes that answer from a script.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use expect_test::expect;
use outlast_api::types::{FailureKind, JobFailure, JobState, JobSummary};
use outlast_api::{ApiError, Client, Control, ControlSocket, SOCKET_NAME};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::args::Cli;
use crate::embed::StartError;
use crate::interrupts::Interrupt;
use crate::testing::{Closed, Embedders, JOB, Memory, Script, done, summary};

mod live;
mod sim;

/// Far more than anything here takes, on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Short, where a test waits for it to pass; long where it must not.
const PACING: Pacing = Pacing {
    poll: PATIENCE,
    least: Duration::from_millis(1),
    reconnect: Duration::from_millis(300),
    retry: Duration::from_millis(5),
    detach: PATIENCE,
    tail: Duration::from_millis(5),
    preview: Duration::ZERO,
};

struct Outcome {
    result: Result<Exit, Failure>,
    out: String,
    err: String,
}

impl Outcome {
    fn exit(&self) -> Exit {
        match &self.result {
            Ok(exit) => *exit,
            Err(failure) => failure.exit,
        }
    }

    fn message(&self) -> &str {
        self.result.as_ref().err().map_or("", |failure| &failure.message)
    }
}

/// A folder for data and for work, with or without a daemon.
struct Bench {
    dir: TempDir,
    embedders: Embedders,
    pacing: Pacing,
    interrupt: mpsc::UnboundedSender<Interrupt>,
    interrupts: Option<Interrupts>,
    stop: Option<oneshot::Sender<()>>,
    /// Of the terminal, if it is one.
    size: Option<(u16, u16)>,
}

impl Bench {
    fn embedded(script: Script) -> Self {
        let (interrupt, interrupts) = Interrupts::channel();
        Self {
            dir: TempDir::new().unwrap(),
            embedders: Embedders::of(script),
            pacing: PACING,
            interrupt,
            interrupts: Some(interrupts),
            stop: None,
            size: None,
        }
    }

    /// With a daemon that answers from the script, over a real socket.
    fn daemon(script: Script) -> Self {
        let mut bench = Self::embedded(Script::default());
        bench.stop = Some(serve(&bench.dir, Arc::new(script)));
        bench
    }

    async fn run(&mut self, line: &str) -> Outcome {
        let out = Memory::default();
        let (result, err) = self.run_to(line, out.clone()).await;
        Outcome { result, out: out.text(), err }
    }

    async fn run_to(
        &mut self,
        line: &str,
        out: impl std::io::Write + Send + 'static,
    ) -> (Result<Exit, Failure>, String) {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let err = Memory::default();
        let mut ui = Ui::new(out, err.clone());
        ui.json = cli.global.json;
        ui.quiet = cli.global.quiet;
        (ui.width, ui.height) = self.size.unzip();
        let context = Context {
            ui: &mut ui,
            embedder: &self.embedders,
            data_dir: self.dir.path().to_owned(),
            cwd: self.dir.path().to_owned(),
            pacing: self.pacing,
            interrupts: self.interrupts.take(),
        };
        let acting = tokio::time::timeout(PATIENCE, act(cli.command, context));
        (acting.await.expect("in time"), err.text())
    }
}

fn serve(dir: &TempDir, control: Arc<dyn Control>) -> oneshot::Sender<()> {
    let socket = ControlSocket::bind(&dir.path().join(SOCKET_NAME)).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(outlast_api::serve(socket, control, async { drop(stopped.await) }));
    stop
}

fn command_job(exit: i32) -> JobSummary {
    JobSummary { app: "command".to_owned(), exit: Some(exit), files: Vec::new(), ..done() }
}

#[tokio::test]
async fn run_waits_tells_and_reports() {
    let mut noted = summary();
    noted.notes = vec!["one gridlet per frame: radiosity".to_owned()];
    noted.version = 2;
    let mut end = done();
    end.notes = noted.notes.clone();
    let mut bench = Bench::daemon(Script::new([summary(), noted, end]));
    let outcome = bench.run("outlast run --preview now.txt -- povray +Iscene.pov").await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    assert_eq!(outcome.out, "");
    expect![[r#"
        outlast: one gridlet per frame: radiosity
        outlast: done after 7.2 s: 12 of 12 gridlets done
        outlast: wrote scene.png
        outlast: 1 lease lost; other nodes went on with the work
        outlast: caught liar�[2J (efabefabef): gridlet 4, pixels 0..32 x 0..64 (2 cells): contradicts a sample computed by the submitter
    "#]].assert_eq(&outcome.err);
    let preview = std::fs::read_to_string(bench.dir.path().join("now.txt")).unwrap();
    assert_eq!(preview, "48 cells");
    assert!(bench.embedders.started.lock().unwrap().is_empty(), "the daemon was used");
}

#[tokio::test]
async fn without_a_daemon_run_brings_its_own_node() {
    let mut bench = Bench::embedded(Script::new([done()]));
    let outcome = bench.run("outlast run -q -- povray").await;
    assert_eq!((outcome.result, outcome.err.as_str()), (Ok(Exit::OK), ""));
    assert_eq!(*bench.embedders.started.lock().unwrap(), [Role::Embedded]);
    assert_eq!(*bench.embedders.stopped.lock().unwrap(), 1);
    let submitted = bench.embedders.script.submitted.lock().unwrap();
    assert_eq!(submitted[0].cwd, bench.dir.path().to_str().unwrap());
}

#[tokio::test]
async fn a_command_passes_its_output_and_exit_code_on() {
    let script = Script { stdout: b"hello world\n".to_vec(), ..Script::new([command_job(7)]) };
    let mut bench = Bench::daemon(script);
    let outcome = bench.run("outlast run -q -- prog").await;
    assert_eq!(outcome.result, Ok(Exit(7)));
    assert_eq!(outcome.out, "hello world\n");
    assert_eq!(outcome.err, "a warning\n");
}

#[tokio::test]
async fn a_closed_pipe_is_no_error() {
    let mut bench = Bench::daemon(Script::default());
    let (result, err) = bench.run_to("outlast ps", Closed).await;
    assert_eq!((result, err.as_str()), (Err(Failure::new(Exit::OK, "")), ""));
    // And doesn't hide the program's exit code.
    let script = Script { stdout: b"hello".to_vec(), ..Script::new([command_job(7)]) };
    let mut bench = Bench::daemon(script);
    let (result, _) = bench.run_to("outlast run -- prog", Closed).await;
    assert_eq!(result, Ok(Exit(7)));
}

#[tokio::test]
async fn failures_have_their_exit_codes() {
    let failed = |kind| JobSummary {
        state: JobState::Failed,
        error: Some(JobFailure { kind, message: "why".to_owned() }),
        ..summary()
    };
    for (job, exit) in [
        (failed(FailureKind::NoProgram), Exit::NO_PROGRAM),
        (failed(FailureKind::Program), Exit::FAILED),
        (JobSummary { state: JobState::Cancelled, ..summary() }, Exit::FAILED),
        (JobSummary { app: "sweep".to_owned(), exit: Some(1), ..done() }, Exit::FAILED),
    ] {
        let outcome = Bench::daemon(Script::new([job.clone()])).run("outlast run -- p").await;
        assert_eq!(outcome.exit(), exit, "{job:?}: {:?}", outcome.result);
    }
    let refuse = Some(ApiError::bad_request("input scene.pov: not found"));
    let mut bench = Bench::daemon(Script { refuse, ..Script::default() });
    let outcome = bench.run("outlast run -- povray").await;
    assert_eq!(outcome.result, Err(Failure::usage("input scene.pov: not found")));
    for line in
        ["show ff", "wait ff", "logs ff", "logs ff --stdout", "cancel ff", "preview ff -o x"]
    {
        let outcome = bench.run(&format!("outlast {line}")).await;
        assert_eq!(outcome.exit(), Exit::NO_JOB, "{line}");
    }
    assert!(!bench.dir.path().join("x").exists());
}

#[tokio::test]
async fn what_needs_a_daemon_says_how_to_get_one() {
    for line in ["submit -- p", "nodes", "status", "down", "join t", "pardon ef"] {
        let outcome = Bench::embedded(Script::default()).run(&format!("outlast {line}")).await;
        assert_eq!(outcome.exit(), Exit::NO_DAEMON, "{line}");
        assert!(outcome.message().contains("outlast up"), "{line}: {}", outcome.message());
    }
}

#[tokio::test]
async fn reading_needs_no_daemon_and_starts_no_work() {
    for line in ["ps", "show 00", "logs 00", "preview 00 -o p", "cancel 00", "logs 00 --stderr"] {
        let mut bench = Bench::embedded(Script::default());
        let outcome = bench.run(&format!("outlast {line}")).await;
        assert_eq!(outcome.result, Ok(Exit::OK), "{line}");
        assert_eq!(*bench.embedders.started.lock().unwrap(), [Role::Passive], "{line}");
        assert_eq!(*bench.embedders.stopped.lock().unwrap(), 1, "{line}");
    }
}

#[tokio::test]
async fn waiting_for_a_job_that_ended_starts_no_work() {
    let mut bench = Bench::embedded(Script::new([done()]));
    *bench.embedders.script.last.lock().unwrap() = Some(done());
    assert_eq!(bench.run("outlast wait 00").await.result, Ok(Exit::OK));
    assert_eq!(*bench.embedders.started.lock().unwrap(), [Role::Passive]);

    let mut bench = Bench::embedded(Script::new([summary(), done()]));
    assert_eq!(bench.run("outlast wait 00").await.result, Ok(Exit::OK));
    assert_eq!(*bench.embedders.started.lock().unwrap(), [Role::Passive, Role::Embedded]);
    assert_eq!(*bench.embedders.stopped.lock().unwrap(), 2);
}

#[tokio::test]
async fn the_first_interrupt_detaches_and_the_second_cancels() {
    let mut bench = Bench::daemon(Script::new([summary()]));
    bench.pacing.detach = Duration::from_millis(1);
    bench.interrupt.send(Interrupt::CtrlC).unwrap();
    let outcome = bench.run("outlast run -- p").await;
    assert_eq!(outcome.result, Ok(Exit::INTERRUPTED));
    assert!(outcome.err.contains(&format!("`outlast wait {JOB}` comes back")), "{}", outcome.err);

    let mut bench = Bench::embedded(Script::new([summary()]));
    bench.interrupt.send(Interrupt::CtrlC).unwrap();
    bench.interrupt.send(Interrupt::CtrlC).unwrap();
    let outcome = bench.run("outlast wait 00").await;
    assert_eq!(outcome.result, Ok(Exit::INTERRUPTED));
    assert!(bench.embedders.script.called("cancel"));
    assert_eq!(*bench.embedders.stopped.lock().unwrap(), 2);

    let mut bench = Bench::embedded(Script::new([summary()]));
    bench.interrupt.send(Interrupt::Terminate).unwrap();
    assert_eq!(bench.run("outlast wait 00").await.result, Ok(Exit::INTERRUPTED));
    assert!(!bench.embedders.script.called("cancel"));
}

#[tokio::test]
async fn a_timeout_leaves_the_job() {
    let mut bench = Bench::daemon(Script::new([summary()]));
    let outcome = bench.run("outlast run --timeout 50ms -- p").await;
    assert_eq!(outcome.exit(), Exit::TIMEOUT);
    assert!(outcome.message().contains(&format!("outlast wait {JOB}")), "{}", outcome.message());
}

#[tokio::test]
async fn a_daemon_that_comes_back_is_found_again() {
    let gone = ApiError::unavailable("gone");
    let script = Script::answers([Ok(summary()), Err(gone.clone()), Err(gone.clone()), Ok(done())]);
    let mut bench = Bench::daemon(script);
    bench.pacing.reconnect = PATIENCE;
    let outcome = bench.run("outlast run -- p").await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    assert!(
        outcome.err.contains("went away") && outcome.err.contains("is back"),
        "{}",
        outcome.err
    );

    let script = Script::answers(std::iter::repeat_n(Err(gone), 1000));
    let outcome = Bench::daemon(script).run("outlast run -- p").await;
    assert_eq!(outcome.exit(), Exit::NO_DAEMON);
    assert!(outcome.message().contains(&format!("outlast wait {JOB}")), "{}", outcome.message());
}

/// A daemon on `dir` that leaves when it is asked for standard output from `at` on.
fn leaves(dir: &TempDir, at: u64) {
    let stop = Arc::new(std::sync::Mutex::new(None));
    let leave = Arc::clone(&stop);
    let mut script = Script::new([command_job(3)]);
    script.stdout = b"hello, world".to_vec();
    script.leaves = Some((at, Box::new(move || drop(leave.lock().unwrap().take()))));
    *stop.lock().unwrap() = Some(serve(dir, Arc::new(script)));
}

#[tokio::test]
async fn the_record_is_asked_when_anothers_node_leaves_with_the_job() {
    for (line, at) in
        [("run -- p", 0), ("wait 00", 0), ("run -- p", 8), ("logs --follow --stdout 00", 4)]
    {
        let mut script = Script::default();
        *script.last.lock().unwrap() = Some(command_job(3));
        script.stdout = b"hello, world".to_vec();
        script.waits.lock().unwrap().push_back(Ok(command_job(3)));
        let mut bench = Bench::embedded(script);
        leaves(&bench.dir, at);
        let outcome = bench.run(&format!("outlast {line}")).await;
        let exit = if line.starts_with("logs") { Exit::OK } else { Exit(3) };
        assert_eq!(outcome.result, Ok(exit), "{line}");
        // What was printed before it left isn't printed again.
        assert_eq!(outcome.out, "hello, world", "{line}");
        assert_eq!(*bench.embedders.started.lock().unwrap(), [Role::Passive], "{line}");
    }

    // It is gone before it could say that the job ended.
    let script = Script::default();
    *script.last.lock().unwrap() = Some(done());
    let mut bench = Bench::embedded(script);
    let gone = Err(ApiError::unavailable("the node is stopping"));
    let daemon = Arc::new(Script::answers(std::iter::repeat_n(gone, 1000)));
    let stop = serve(&bench.dir, Arc::clone(&daemon) as Arc<dyn Control>);
    let (outcome, ()) = tokio::join!(bench.run("outlast run -- p"), async {
        while !daemon.called("wait") {
            tokio::task::yield_now().await;
        }
        drop(stop);
    });
    assert_eq!(outcome.result, Ok(Exit::OK));
}

#[tokio::test]
async fn a_node_that_ends_under_run_is_told() {
    let mut bench = Bench::embedded(Script::new([summary()]));
    bench.embedders.ends = Some(Err("disk full".to_owned()));
    let outcome = bench.run("outlast run -- p").await;
    assert_eq!(outcome.exit(), Exit::NO_DAEMON);
    assert!(outcome.message().contains("disk full"), "{}", outcome.message());
}

#[tokio::test]
async fn an_embedded_node_stays_for_jobs_of_others_only() {
    let job = |id: &str| JobSummary { id: id.to_owned(), ..summary() };
    let script = Script::new([done()]);
    // Before; after our own; once the other one ended.
    *script.jobs.lock().unwrap() =
        [vec![job("old")], vec![job("old"), job(JOB)], vec![job("old")]].into();
    script.waits.lock().unwrap().push_back(Ok(done()));
    let mut bench = Bench::embedded(script);
    let outcome = bench.run("outlast run -- p").await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    assert!(outcome.err.contains("staying until 1 job that other clients"), "{}", outcome.err);
}

#[tokio::test]
async fn a_data_directory_that_is_briefly_in_use_is_waited_for() {
    let mut bench = Bench::embedded(Script::new([done()]));
    let busy = || StartError::InUse("in use".to_owned());
    bench.embedders.errors.lock().unwrap().extend([busy(), busy()]);
    assert_eq!(bench.run("outlast run -- p").await.result, Ok(Exit::OK));
    bench.embedders.errors.lock().unwrap().push_back(StartError::Failed("port in use".to_owned()));
    let outcome = bench.run("outlast ps").await;
    assert_eq!(outcome.result, Err(Failure::failed("port in use")));
}

#[tokio::test]
async fn up_prints_its_key_and_leaves_politely() {
    let mut bench = Bench::embedded(Script::default());
    bench.interrupt.send(Interrupt::Terminate).unwrap();
    let outcome = bench.run("outlast up").await;
    assert_eq!(
        (outcome.result, outcome.out.as_str()),
        (Ok(Exit::OK), format!("{}\n", "0123".repeat(16)).as_str())
    );
    assert!(bench.embedders.script.called("down drain=true"));
    assert_eq!(*bench.embedders.started.lock().unwrap(), [Role::Daemon]);

    let mut bench = Bench::embedded(Script::default());
    let error = || StartError::InUse("somebody uses it".to_owned());
    bench.embedders.errors.lock().unwrap().push_back(error());
    bench.interrupt.send(Interrupt::Terminate).unwrap();
    assert_eq!(
        bench.run("outlast up").await.result,
        Ok(Exit::OK),
        "a command looked at the record"
    );

    let mut bench = Bench::daemon(Script::default());
    bench.embedders.errors.lock().unwrap().push_back(error());
    let outcome = bench.run("outlast up").await;
    assert!(outcome.message().contains("`outlast down`"), "{}", outcome.message());
}

#[tokio::test]
async fn down_waits_until_the_daemon_is_gone() {
    let mut bench = Bench::daemon(Script::default());
    let stop = bench.stop.take().unwrap();
    let client = Client::new(bench.dir.path());
    let (outcome, ()) = tokio::join!(bench.run("outlast down --now"), async {
        tokio::task::yield_now().await;
        drop(stop);
    });
    // Whether it went before or after it was told: it is gone.
    assert!(matches!(outcome.exit(), Exit::OK | Exit::NO_DAEMON), "{:?}", outcome.result);
    assert!(!client.is_there().await);
}

#[tokio::test]
async fn tables_come_as_json_too() {
    for line in [
        "ps",
        "nodes",
        "status",
        "show 00",
        "logs 00",
        "cancel 00",
        "submit -- p",
        "wait 00",
        "run -- p",
        "preview 00 -o p",
        "retry 00",
        "pardon ef",
    ] {
        let mut bench = Bench::daemon(Script::new([done()]));
        let outcome = bench.run(&format!("outlast --json {line}")).await;
        assert_eq!(outcome.result, Ok(Exit::OK), "{line}");
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(&outcome.out);
        assert!(parsed.is_ok(), "{line}: {}", outcome.out);
    }
}

#[tokio::test]
async fn an_output_that_couldnt_be_written_is_written_again() {
    let mut failed = JobSummary { state: JobState::Failed, ..done() };
    let message = "disk full\nfree space and run `outlast retry`".to_owned();
    failed.error = Some(JobFailure { kind: FailureKind::Output, message: message.clone() });
    let outcome = Bench::daemon(Script::new([failed])).run("outlast wait 00").await;
    assert_eq!(outcome.result, Err(Failure::failed(message)));

    let mut bench = Bench::embedded(Script::new([done()]));
    let outcome = bench.run("outlast retry 00").await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    assert!(bench.embedders.script.called("retry") && outcome.err.contains("wrote scene.png"));
    assert_eq!(*bench.embedders.stopped.lock().unwrap(), 1);

    let refuse = Some(ApiError::wrong_state("job ab is done"));
    let mut bench = Bench::daemon(Script { refuse, ..Script::default() });
    assert_eq!(bench.run("outlast retry 00").await.result, Err(Failure::failed("job ab is done")));
}

#[tokio::test]
async fn who_is_pardoned_is_told() {
    let mut bench = Bench::daemon(Script::default());
    let outcome = bench.run("outlast pardon efab").await;
    assert_eq!((outcome.result, outcome.out.as_str()), (Ok(Exit::OK), ""));
    assert!(outcome.err.contains("node efabefab"), "{}", outcome.err);
    let refuse = Some(ApiError::not_found("no node on the blacklist"));
    let mut bench = Bench::daemon(Script { refuse, ..Script::default() });
    assert_eq!(bench.run("outlast pardon 00").await.exit(), Exit::FAILED);
}

#[tokio::test]
async fn logs_are_text() {
    let outcome = Bench::daemon(Script::default()).run("outlast logs 00").await;
    expect![[r#"
        2026-11-21 09:16:19Z  submitted
        2026-11-21 09:16:20Z  worker: program failed:
            no such file
    "#]]
    .assert_eq(&outcome.out);
}

#[test]
fn a_file_appears_as_a_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p.png");
    follow::write_atomically(&path, b"one").unwrap();
    follow::write_atomically(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    std::fs::create_dir(dir.path().join("d")).unwrap();
    assert!(follow::write_atomically(&dir.path().join("d"), b"x").is_err());
    assert!(follow::write_atomically(Path::new("/"), b"x").is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
}

#[tokio::test]
async fn the_story_of_a_gridlet_is_told() {
    let mut bench = Bench::daemon(Script::default());
    let outcome = bench.run("outlast show 00 --why 4").await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    let head = format!("gridlet 4 of job {JOB}: pixels 0..32 x 0..64; 2 of 4 cells accepted\n");
    assert!(outcome.out.starts_with(&head), "{}", outcome.out);
    assert!(outcome.out.contains("   1  worker (0123012301) answered A"), "{}", outcome.out);
    assert!(outcome.out.contains("and more"), "{}", outcome.out);
    assert!(!outcome.out.contains('\u{1b}'), "what another node said is tamed: {}", outcome.out);
    let outcome = bench.run("outlast --json show 00 --why 4").await;
    let json: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(json["scenes"][0]["kind"], "answered");
    let outcome = bench.run("outlast show 00 --why 13").await;
    assert_eq!(outcome.exit(), Exit::NO_JOB);
}

#[tokio::test]
async fn services_are_listed_without_a_node() {
    let mut bench = Bench::embedded(Script::default());
    let listed = bench.run("outlast services --json").await;
    assert_eq!(listed.exit(), Exit::OK);
    let services: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(services[0]["class"], "verification");
    assert_eq!(services[0]["arguments"][1]["name"], "replication");
    assert_eq!(services[0]["arguments"][1]["default"], "2");
    assert!(
        bench
            .run("outlast services verification")
            .await
            .out
            .contains("takes    an integer from 1 to 255")
    );
    let unknown = bench.run("outlast services replication").await;
    assert_eq!(unknown.exit(), Exit::USAGE);
    assert_eq!(unknown.message(), "unknown service `replication`, expected one of verification");
}
