use clap::ValueEnum as _;

use super::*;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_command_says_what_it_and_its_options_do() {
    let definition = definition();
    for command in all(&definition) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        assert!(command.get_about().is_some(), "{name} has no help");
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            assert!(argument.get_help().is_some(), "{name}: {} has no help", argument.get_id());
        }
    }
}

#[test]
fn every_command_has_a_manual_page_with_exit_codes_files_and_environment() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_manual(&folder.path().join("man1")).unwrap();
    let definition = definition();
    for command in all(&definition) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = folder.path().join("man1").join(format!("{name}.1"));
        assert!(written.contains(&path), "{name}");
        let page = fs::read_to_string(&path).unwrap();
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "\"EXIT STATUS\"",
            "ENVIRONMENT",
            "FILES",
        ] {
            assert!(page.contains(&format!(".SH {section}")), "{name} has no {section}: {page}");
        }
        assert!(page.contains("no daemon answers"), "{page}");
    }
    let top = text(manual_page().unwrap());
    assert!(top.starts_with(".ie") || top.contains(".TH OUTLAST 1"), "{top}");
    assert!(top.contains("outlast\\-run(1)"), "{top}");
}

/// Columns of the help in the guide.
const GUIDE_COLUMNS: usize = 96;

/// All commands, as docs/guide/commands.md has them.
fn guide() -> String {
    let hidden = |argument: clap::Arg| {
        let everywhere =
            argument.is_global_set() || ["help", "version"].contains(&argument.get_id().as_str());
        argument.hide(everywhere).hide_env_values(true)
    };
    let mut definition = definition().term_width(GUIDE_COLUMNS);
    definition.build();
    let mut text = format!(
        "# Commands\n\n\
         `outlast COMMAND --help` says the same, and more of some; `outlast man DIR` writes it as manual\n\
         pages, `outlast completions SHELL` completes it. This page is written by a test: after a change,\n\
         `UPDATE_EXPECT=1 cargo test -p outlast-cli pages` brings it up to date.\n\n\
         ```text\n{}\n```\n",
        definition.clone().render_help().to_string().trim_end()
    );
    for command in all(&definition).into_iter().skip(1) {
        let command = command.clone().term_width(GUIDE_COLUMNS).mut_args(hidden);
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        // The name has dashes between its words.
        let title = format!("outlast {}", name.trim_start_matches("outlast-").replace('-', " "));
        let help = command.clone().render_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&format!("\n## {title}\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    }
    text
}

#[test]
fn the_guide_has_every_command() {
    expect_test::expect_file!["../../../../docs/guide/commands.md"].assert_eq(&guide());
}

#[test]
fn completions_of_every_shell_know_every_command() {
    let definition = definition();
    for shell in Shell::value_variants() {
        let script = text(completions(*shell));
        for command in all(&definition) {
            let name = command.get_name();
            // Bash has a case for each; the others say it in too many ways.
            let sought = match shell {
                Shell::Bash if name != "outlast" => format!(",{name})"),
                _ => name.to_owned(),
            };
            assert!(script.contains(&sought), "{shell} doesn't complete {name}");
        }
        assert!(script.contains("replication"), "{shell} doesn't complete options");
    }
}
