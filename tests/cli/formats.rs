//! Findings for programs: nothing but them on standard output.

use crate::support::{GOOD, good, with};

#[test]
fn json_is_one_array_with_every_key() {
    let place = with(&GOOD.replace("backend: web", "backend: wbe"));
    let done = place.run("check --format json").code(1).tells(&["1 error, no warnings. Would be served:"]);
    let findings = done.json();
    assert_eq!(findings.as_array().unwrap().len(), 1);
    let keys: Vec<&str> = findings[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = ["severity", "reason", "message", "object", "file", "line", "column", "width", "source", "why", "effect", "help"];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert_eq!(findings[0]["severity"], "error");
    assert_eq!(findings[0]["reason"], "BackendNotFound");
    assert_eq!(findings[0]["object"]["kind"], "route");
    assert_eq!((&findings[0]["line"], &findings[0]["column"]), (&7.into(), &18.into()));
    assert_eq!(good().run("check --format json").code(0).out, "[]\n");
}

#[test]
fn github_gets_annotations() {
    let place = with(&GOOD.replace("backend: web", "backend: wbe"));
    let done = place.run("check --format github").code(1);
    assert!(done.out.starts_with("::error file=./genkan.yaml,line=7,col=18,endColumn=21,title=BackendNotFound::route "), "{}", done.out);
    assert_eq!(done.out.lines().count(), 1);
}

#[test]
fn without_a_terminal_there_are_no_colours() {
    let place = with(&GOOD.replace("backend: web", "backend: wbe"));
    for line in ["check", "check --format json", "certificates", "run --strict", "--help", "run --help", "nonsense", "check -f nowhere"] {
        let done = place.run(line);
        assert!(!done.out.contains('\u{1b}') && !done.err.contains('\u{1b}'), "{line}\n{}{}", done.out, done.err);
    }
}

#[test]
fn a_file_cannot_act_on_the_terminal() {
    let place = with("\"\\e[31mred\": 1\n# \u{202e}\n");
    let done = place.run("check -f genkan.yaml").code(1);
    assert!(!done.out.contains(['\u{1b}', '\u{202e}']), "{}", done.out);
}
