use clap::CommandFactory;
use expect_test::expect;
use outlast_api::types::{ServiceBlock, ServiceValue};
use outlast_deploy::Registry;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn spec(line: &str) -> JobSpec {
    match parse(line).unwrap().command {
        Command::Run(args) => args.job.resolve(Path::new("/work"), &Registry::builtin()).unwrap(),
        Command::Submit(args) => args.resolve(Path::new("/work"), &Registry::builtin()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn everything_after_the_dashes_is_the_programs() {
    let spec = spec("outlast run -- povray +Iscene.pov --json -v -- x");
    assert_eq!(spec.argv, ["povray", "+Iscene.pov", "--json", "-v", "--", "x"]);
    assert_eq!(spec.cwd, "/work");
    assert!(parse("outlast run povray").is_err(), "a program without the dashes");
    assert!(parse("outlast run").is_err());
    assert!(parse("outlast submit --").is_err());
}

#[test]
fn job_options_become_a_spec() {
    let line = "outlast submit --param a=1..100 --param b=x,y=z --input in --input dir -o out \
                --collect r1 --collect r2 --stdin s --env A=1 --env B= --app sweep --set k=v \
                --replication 3 --samples 2 --schedule all-at-once --gridlets 10 --name n -- prog {a}";
    let expected = JobSpec {
        vo: None,
        argv: vec!["prog".to_owned(), "{a}".to_owned()],
        cwd: "/work".to_owned(),
        env: [("A".to_owned(), "1".to_owned()), ("B".to_owned(), String::new())].into(),
        inputs: vec!["in".to_owned(), "dir".to_owned()],
        stdin: Some("s".to_owned()),
        output: Some("out".to_owned()),
        outputs: vec!["r1".to_owned(), "r2".to_owned()],
        params: [("a", "1..100"), ("b", "x,y=z")]
            .map(|(name, values)| Param { name: name.to_owned(), values: values.to_owned() })
            .to_vec(),
        app: Some("sweep".to_owned()),
        options: [("k".to_owned(), "v".to_owned())].into(),
        verification: VerificationSpec::default(),
        services: vec![ServiceBlock {
            class: "verification".to_owned(),
            args: [
                ("replication", ServiceValue::Integer(3)),
                ("samples", ServiceValue::Integer(2)),
                ("schedule", ServiceValue::Text("all".to_owned())),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            places: [
                ("class", "--replication"),
                ("replication", "--replication"),
                ("samples", "--samples"),
                ("schedule", "--schedule"),
            ]
            .map(|(name, place)| (name.to_owned(), place.to_owned()))
            .into(),
        }],
        gridlets: Some(10),
        name: Some("n".to_owned()),
    };
    assert_eq!(spec(line), expected);
}

#[test]
fn what_cant_be_meant_is_refused() {
    for line in [
        "outlast",
        "outlast dance",
        "outlast run --param a -- p",
        "outlast run --param =1 -- p",
        "outlast run --replication 0 -- p",
        "outlast run --gridlets 0 -- p",
        "outlast run --schedule never -- p",
        "outlast run --timeout soon -- p",
        "outlast up --listen nowhere",
        "outlast up --slots -1",
        "outlast show ab --limit 0",
        "outlast logs ab --stdout --stderr",
        "outlast ps -q -v",
        "outlast preview ab",
    ] {
        assert_eq!(parse(line).map(drop).unwrap_err().exit_code(), 2, "{line}");
    }
    let Command::Run(args) = parse("outlast run --env A=1 --env A=2 -- p").unwrap().command else {
        panic!("expected run");
    };
    assert_eq!(
        args.job.resolve(Path::new("/"), &Registry::builtin()).unwrap_err().message,
        "--env gives A twice"
    );
}

#[test]
fn who_forgets_the_dashes_is_told_where_they_go() {
    let meant = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        meant(&parse(line).unwrap_err(), &words)
    };
    for (line, expected) in [
        ("outlast povray +Iscene.pov +W64", Some("outlast run -- povray +Iscene.pov +W64")),
        ("/bin/outlast --json povray -v", Some("outlast --json run -- povray -v")),
        ("outlast run --replication 2 prog a", Some("outlast run --replication 2 -- prog a")),
        ("outlast submit prog", Some("outlast submit -- prog")),
        ("outlast runn -- prog", None),
        ("outlast run --no-such-option -- prog", None),
        ("outlast ps prog", None),
        ("outlast run --gridlets 0 -- prog", None),
    ] {
        assert_eq!(meant(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn shared_options_may_stand_anywhere_before_the_dashes() {
    for line in ["outlast --json --data-dir d -vv ps", "outlast ps --json --data-dir d -vv"] {
        let global = parse(line).unwrap().global;
        assert!(global.json && global.verbose == 2, "{line}");
        assert_eq!(global.data_dir.as_deref(), Some(Path::new("d")), "{line}");
    }
}

#[test]
fn tickets_add_up() {
    let Command::Up(args) = parse("outlast up --join a --join b,c").unwrap().command else {
        panic!("expected up");
    };
    assert_eq!(args.join, ["a", "b", "c"]);
}

/// Without blanks at the ends of lines, which editors and formatters don't keep.
fn trimmed(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn help_tells_commands_and_exit_codes() {
    let mut command = Cli::command().term_width(100);
    expect![[r#"
        Programs that outlast the machines they run on.

        Splits an unmodified program's work over the machines of a grid, verifies what they answer, and puts
        the output together, although machines crash, leave or lie.

        Usage: outlast [OPTIONS] <COMMAND>

        Commands:
          up           Run a node in the foreground; prints its key once it is ready
          run          Run a program on the grid and wait for its output
          submit       Give a job to the daemon and print its id
          wait         Wait for a job, as `run` does
          ps           List jobs
          show         Tell all about a job: how it was verified, who was wrong and where
          logs         Print what happened to a job, or what its program wrote
          cancel       End a job
          retry        Write the output of a job again that couldn't be written
          preview      Write what is accepted so far as a picture or text
          nodes        List the nodes of the grid
          status       Tell how the daemon is, and what it belongs to
          join         Join a virtual organisation with a ticket that `outlast invite` made on a member
          invite       Make a ticket that lets another node in: one line, to be handed on in secret
          expel        Throw a node out: nobody works with it any more
          vo           Make, show, list or leave virtual organisations: the nodes that trust each other
          pardon       Take a node off the blacklist, which `outlast nodes` shows
          down         End the daemon: it hands back its work, says goodbye and goes
          app          Show, check and explain applications: what Outlast knows about programs
          services     List technical services: how a job may be treated, with arguments and defaults
          sim          Simulate before you trust: what verification achieves against how many liars
          checkpoint   Write a running program, with all its processes, to an image, and end it or let it go
                       on
          restore      Run a program again from its image, and wait for it
          inspect      Tell what is in an image: processes, files, where and when it was taken
          doctor       Look at what works on this machine, what doesn't, and how to mend it
          completions  Print a script that completes command lines in a shell
          man          Print the manual page, or write one for each command to a folder
          help         Print this message or the help of the given subcommand(s)

        Options:
              --data-dir <DIR>
                  Where the node keeps its key, jobs and files [default: $OUTLAST_DATA_DIR, else
                  ~/.local/state/outlast]

              --json
                  Print JSON instead of text

          -q, --quiet
                  Say nothing but errors

              --color <WHEN>
                  Colours [default: on a terminal, unless NO_COLOR is set]

                  Possible values:
                  - auto:   On a terminal
                  - always: Also into a pipe
                  - never:  Not at all

          -v, --verbose...
                  Log more; twice: still more (OUTLAST_LOG chooses exactly)

          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version

        Exit codes:
          0    all went well
          1    the job failed, runs of a sweep failed, or something else went wrong
          2    the command line, or the command to run, is wrong
          3    no daemon answers
          4    no such job, or more than one
          5    --timeout has passed
          6    no node has the program
          7    a right is missing, or a ticket is of no use
          130  interrupted by Ctrl-C
        For a job of a single command (`run` and `wait`) and for `restore`: the program's own exit code.
    "#]].assert_eq(&trimmed(&command.render_long_help().to_string()));
}

#[test]
fn help_of_run() {
    let mut command = Cli::command().term_width(100);
    command.build();
    let run = command.find_subcommand_mut("run").unwrap();
    expect![[r#"
        Run a program on the grid and wait for its output

        Usage: outlast run [OPTIONS] [-- <COMMAND>...]

        Arguments:
          [COMMAND]...  The program and its arguments

        Options:
              --data-dir <DIR>  Where the node keeps its key, jobs and files [default: $OUTLAST_DATA_DIR,
                                else ~/.local/state/outlast]
              --json            Print JSON instead of text
          -q, --quiet           Say nothing but errors
              --color <WHEN>    Colours [default: on a terminal, unless NO_COLOR is set] [possible values:
                                auto, always, never]
          -v, --verbose...      Log more; twice: still more (OUTLAST_LOG chooses exactly)
              --preview <FILE>  Keep a picture of what is accepted so far in this file
              --timeout <TIME>  Leave the job and exit with code 5 after this time, such as 90s or 1h30m
          -h, --help            Print help (see more with '--help')
          -V, --version         Print version

        Work:
              --param <NAME=VALUES>  Values for {NAME} in the command: a list a,b,c or a range 1..100;
                                     several make a grid
              --input <PATH>         File or folder that the program needs; may be given several times
          -o, --output <PATH>        Where the results go
              --collect <FILE>       File that the program writes; may be given several times [default: all
                                     that it creates]
              --stdin <FILE>         File that becomes the program's standard input
              --env <NAME=VALUE>     Variable to set for the program; may be given several times
              --app <NAME>           Application that takes the command apart (`app list` names them)
                                     [default: found out]
              --set <NAME=VALUE>     Option for the application; may be given several times
              --gridlets <N>         Into how many gridlets to split [default: chosen by the application]
              --name <NAME>          Name for the job
              --vo <NAME>            Virtual organisation whose members may work on it [default: all that
                                     this node may submit in]
              --service <SERVICE>    Technical service, CLASS:NAME=VALUE,…, as a `[[service]]` table of a
                                     job file; `outlast services` lists them. May be given several times
          -f, --file <FILE>          Job file in TOML; flags go above what it says, paths are relative to
                                     its folder

        Verification:
              --verify <SCHEME>      How the work is cut for its replicas: alike and all at once (standard),
                                     alike and one after another (incremental), shifted (overlapped),
                                     shifted in part (relaxed), crossed (meshed) [default: incremental]
                                     [possible values: standard, incremental, overlapped, relaxed, meshed]
              --replication <N>      Answers from different nodes that have to agree; with --decision
                                     majority: that are asked for
              --decision <BY>        What decides between answers [default: m-first; with --max-error:
                                     credibility] [possible values: majority, m-first, credibility]
              --max-error <P>        Probability of a wrong answer that is tolerated, such as 0.001: answers
                                     are weighed by who gave them
              --max-answers <N>      Answers to ask for at most before a part is given up or computed here
              --samples <N>          Samples per gridlet that this machine computes itself
              --sample-rate <SHARE>  Share of the gridlets that are sampled, 0 to 1
              --quizzes <SHARE>      Share of the work handed out that is known already, to see who lies, 0
                                     to 0.5
              --schedule <WHEN>      When to hand out replicas [possible values: incremental, all, auto]
              --percent <N>          With --verify relaxed: per cent of the work that is done more than once
              --compare <HOW>        How to compare two answers, such as bytes, numbers:rel=1e-9 or
                                     image:psnr=40 [default: as the application does]
              --homogeneous          Give the replicas of a gridlet only to nodes that are alike
              --trusted <NODE>       Node whose answers count like this one's own, by its key or the
                                     beginning of it; may be given several times
    "#]].assert_eq(&trimmed(&run.render_help().to_string()));
}

#[test]
fn flags_go_above_the_job_file_and_paths_are_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[job]\ncommand = ['true']\nname = 'a'\noutput = 'o'\nenv = { X = '1', Y = '1' }\n\
                [[service]]\nclass = 'verification'\nreplication = 3\n";
    std::fs::write(folder.path().join("j.toml"), text).unwrap();
    let line = ["outlast", "run", "-f", "j.toml", "--name", "b", "--env", "Y=2", "--samples", "0"];
    let Command::Run(args) = Cli::try_parse_from(line).unwrap().command else { panic!("a run") };
    let spec = args.job.resolve(folder.path(), &Registry::builtin()).unwrap();
    assert_eq!(spec.argv, ["true"]);
    assert_eq!((spec.name.as_deref(), spec.output.as_deref()), (Some("b"), Some("o")));
    assert_eq!(spec.cwd, folder.path().to_str().unwrap());
    let env: Vec<_> = spec.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, [("X", "1"), ("Y", "2")]);
    let args = &spec.services[0].args;
    assert_eq!(args["replication"], ServiceValue::Integer(3));
    assert_eq!(args["samples"], ServiceValue::Integer(0));
    assert!(Cli::try_parse_from(["outlast", "run"]).is_err(), "one of both is needed");
}

#[test]
fn help_has_the_colours_that_were_asked_for() {
    let choice = |line: &str| {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        colours_of_help(&words)
    };
    assert_eq!(choice("outlast --help"), clap::ColorChoice::Auto);
    assert_eq!(choice("outlast --color=never run --help"), clap::ColorChoice::Never);
    assert_eq!(choice("outlast run --color always --help"), clap::ColorChoice::Always);
    assert_eq!(choice("outlast run -- p --color=never"), clap::ColorChoice::Auto);
}
