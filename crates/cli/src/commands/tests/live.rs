//! What goes on until it is told to end: `logs --follow`, `ps --watch`, `nodes --watch`.

use outlast_api::types::LogEntry;

use super::*;

fn entry(second: u32, text: &str) -> LogEntry {
    LogEntry { time: 1_795_252_579.0 + f64::from(second), node: None, text: text.to_owned() }
}

fn logs(lists: &[&[LogEntry]]) -> std::sync::Mutex<std::collections::VecDeque<Vec<LogEntry>>> {
    lists.iter().map(|list| list.to_vec()).collect::<std::collections::VecDeque<_>>().into()
}

#[tokio::test]
async fn a_followed_log_has_each_entry_once_and_ends_with_the_job() {
    let (a, b, c) = (entry(0, "a"), entry(1, "b"), entry(2, "c"));
    let gone = ApiError::unavailable("gone");
    let script = Script {
        logs: logs(&[
            &[entry(0, "a")],
            &[a.clone(), b.clone()],
            &[a.clone(), b.clone()],
            &[a, b, c],
        ]),
        ..Script::answers([Ok(summary()), Err(gone), Ok(summary()), Ok(summary()), Ok(done())])
    };
    let mut bench = Bench::daemon(script);
    bench.pacing.reconnect = PATIENCE;
    let outcome = bench.run("outlast logs -f 00").await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    let texts: Vec<&str> = outcome.out.lines().filter_map(|line| line.split("  ").nth(1)).collect();
    assert_eq!(texts, ["a", "b", "c"], "{}", outcome.out);
    assert!(outcome.err.contains("is back"), "{}", outcome.err);
}

#[tokio::test]
async fn a_followed_log_is_lines_of_json_if_asked() {
    let script = Script { logs: logs(&[&[entry(0, "a"), entry(1, "b")]]), ..Script::new([done()]) };
    let outcome = Bench::daemon(script).run("outlast --json logs --follow 00").await;
    let lines: Vec<LogEntry> =
        outcome.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, [entry(0, "a"), entry(1, "b")]);
}

#[tokio::test]
async fn following_ends_with_an_interrupt_or_a_closed_pipe() {
    for line in ["logs -f 00", "ps --watch 100ms", "nodes --watch"] {
        let mut bench = Bench::daemon(Script::new([summary()]));
        bench.interrupt.send(Interrupt::CtrlC).unwrap();
        let outcome = bench.run(&format!("outlast {line}")).await;
        assert_eq!((outcome.result, outcome.err.as_str()), (Ok(Exit::OK), ""), "{line}");
        let script = Script::new([summary()]);
        script.jobs.lock().unwrap().push_back(vec![summary()]);
        let (result, err) = Bench::daemon(script).run_to(&format!("outlast {line}"), Closed).await;
        assert_eq!((result, err.as_str()), (Err(Failure::new(Exit::OK, "")), ""), "{line}");
    }
}

#[tokio::test]
async fn a_program_that_is_followed_has_its_output_at_its_end() {
    let script = Script { stdout: b"hello".to_vec(), ..Script::new([summary(), command_job(0)]) };
    let outcome = Bench::daemon(script).run("outlast logs -f --stdout 00").await;
    assert_eq!((outcome.result, outcome.out.as_str()), (Ok(Exit::OK), "hello"));
}

#[tokio::test]
async fn without_a_daemon_only_a_job_that_ended_can_be_followed() {
    let outcome = Bench::embedded(Script::default()).run("outlast logs -f 00").await;
    assert_eq!(outcome.exit(), Exit::NO_DAEMON);
    assert!(outcome.message().contains("outlast wait"), "{}", outcome.message());
    let script = Script { logs: logs(&[&[entry(0, "a")]]), ..Script::default() };
    *script.last.lock().unwrap() = Some(done());
    let outcome = Bench::embedded(script).run("outlast logs -f 00").await;
    assert_eq!((outcome.result, outcome.out.lines().count()), (Ok(Exit::OK), 1));
}

#[tokio::test]
async fn a_daemon_that_stays_away_is_not_waited_for_forever() {
    let gone = ApiError::unavailable("gone");
    let script = Script::answers(std::iter::repeat_n(Err(gone), 1000));
    let outcome = Bench::daemon(script).run("outlast logs -f 00").await;
    assert_eq!(outcome.exit(), Exit::NO_DAEMON);
    assert!(outcome.message().contains(&format!("outlast wait {JOB}")), "{}", outcome.message());
}

/// Lets a watch go on until the script has been asked so often.
async fn watch(line: &str, script: Script, times: usize, size: Option<(u16, u16)>) -> Outcome {
    let script = Arc::new(script);
    let mut bench = Bench::embedded(Script::default());
    bench.stop = Some(serve(&bench.dir, Arc::clone(&script) as Arc<dyn Control>));
    bench.size = size;
    let interrupt = bench.interrupt.clone();
    let asked = async {
        while script.count("jobs") + script.count("nodes") < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        interrupt.send(Interrupt::CtrlC).unwrap();
    };
    tokio::join!(bench.run(line), asked).0
}

fn three_looks() -> Script {
    let other = JobSummary { id: "00000000000000cd".to_owned(), ..done() };
    let older = JobSummary { eta_s: Some(3.0), elapsed_s: 8.0, ..summary() };
    let script = Script::default();
    *script.jobs.lock().unwrap() =
        [vec![summary(), other.clone()], vec![older, other], vec![done()]].into();
    script
}

#[tokio::test]
async fn without_a_terminal_only_changes_are_printed_and_no_control_characters() {
    let outcome = watch("outlast ps --watch 100ms", three_looks(), 4, None).await;
    assert_eq!(outcome.result, Ok(Exit::OK));
    let without_time: Vec<&str> = outcome.out.lines().map(|line| &line[22..]).collect();
    expect![[r#"
        00000000000000ab  running: 3 of 12 gridlets, 13 of 48 cells accepted, 1 rejected, about 4.0 s left
        00000000000000cd  done: 12 of 12 gridlets, 48 of 48 cells accepted, 1 rejected
        00000000000000ab  done: 12 of 12 gridlets, 48 of 48 cells accepted, 1 rejected
        00000000000000cd  forgotten"#]]
    .assert_eq(&without_time.join("\n"));
    assert!(outcome.out.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", outcome.out);
    let outcome = watch("outlast nodes --watch 100ms", Script::default(), 3, None).await;
    assert_eq!(outcome.out.lines().count(), 1, "{}", outcome.out);
    let outcome = watch("outlast --json ps --watch 100ms", three_looks(), 4, None).await;
    let parsed = outcome.out.lines().map(serde_json::from_str::<JobSummary>);
    assert_eq!(parsed.filter(Result::is_ok).count(), 3, "{}", outcome.out);
}

#[tokio::test]
async fn on_a_terminal_the_table_is_drawn_anew_and_fits() {
    // When the fifth is asked for, four are drawn.
    let outcome = watch("outlast ps --watch 100ms", three_looks(), 5, Some((50, 3))).await;
    assert!(outcome.out.starts_with("\x1b[H\x1b[2J"), "{:?}", outcome.out);
    let screens: Vec<&str> = outcome.out.split("\x1b[H").skip(2).collect();
    assert!(screens.len() >= 3, "{:?}", outcome.out);
    for screen in screens {
        assert!(screen.lines().count() <= 3, "{screen:?}");
        for line in screen.lines() {
            let shown = line.trim_end_matches("\x1b[K");
            assert!(shown.chars().count() <= 50, "{shown:?}");
        }
    }
}
