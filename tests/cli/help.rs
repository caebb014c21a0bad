//! Help: within 80 columns, and where it belongs.

use crate::support::Place;

const COMMANDS: [&str; 15] =
    ["run", "demo", "dev", "check", "explain", "test", "diff", "certificates", "ca", "status", "top", "tap", "completions", "man", "schema"];
const ACTIONS: [&str; 5] = ["ca create", "ca install", "ca uninstall", "ca export", "ca issue"];

#[test]
fn help_is_within_80_columns() {
    let place = Place::new();
    let lines = COMMANDS.iter().chain(&ACTIONS).flat_map(|command| [format!("{command} -h"), format!("{command} --help")]);
    for line in lines.chain(["-h".to_owned(), "--help".to_owned()]) {
        let done = place.run_with(&line, &[("COLUMNS", "200")], "").code(0);
        let widest = done.out.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(widest.chars().count() <= 80, "genkan {line}: {widest}");
        assert!(done.err.is_empty(), "genkan {line}: {}", done.err);
    }
}

#[test]
fn short_help_is_a_screen_and_long_help_names_the_variables() {
    let place = Place::new();
    for command in COMMANDS.iter().chain(&ACTIONS) {
        let done = place.run(&format!("{command} -h")).code(0);
        assert!(done.out.lines().count() <= 30, "{}", done.out);
    }
    place.run("run --help").says(&["[env: GENKAN_FILE]", "[env: GENKAN_LOG_FORMAT]"]);
    place.run("ca issue --help").says(&["[env: GENKAN_OUTPUT]"]);
}

#[test]
fn every_command_is_named() {
    let done = Place::new().run("--help").code(0);
    for command in COMMANDS {
        assert!(done.out.lines().any(|line| line.trim_start().starts_with(command)), "{command}\n{}", done.out);
    }
}

#[test]
fn nothing_said_is_a_wrong_command_line_and_gets_help_of_one_screen() {
    let done = Place::new().run("").code(2).tells(&["Usage: genkan", "genkan demo"]);
    assert!(done.out.is_empty());
    assert!(done.err.lines().count() <= 30, "{}", done.err);
}

#[test]
fn the_version_is_a_result() {
    assert_eq!(Place::new().run("--version").code(0).out, format!("genkan {}\n", env!("CARGO_PKG_VERSION")));
}
