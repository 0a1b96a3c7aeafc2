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
