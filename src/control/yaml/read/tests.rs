use serde::Deserialize;

use crate::control::yaml::{Located, parse};

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    listeners: Vec<Listener>,
    worker_count: Option<u16>,
    strict: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Listener {
    name: Located<String>,
    #[serde(default)]
    protocol: Protocol,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
enum Protocol {
    #[default]
    Https,
    Http,
}

fn read_text(text: &str) -> Result<Config, Vec<Problem>> {
    read(&parse(text, 0).unwrap()[0])
}

fn mistakes(text: &str) -> Vec<(Reason, u32, u32)> {
    read_text(text).unwrap_err().into_iter().map(|p| (p.reason, p.span.line, p.span.column)).collect()
}

#[test]
fn values_and_their_places_arrive() {
    let config = read_text("listeners:\n  - name: no\n  - { name: b, protocol: Http }\nworkerCount: 4\nstrict: true\n").unwrap();
    assert_eq!(config.listeners[0].name.value, "no", "a plain `no` is the text that stands there");
    assert_eq!((config.listeners[1].name.span.line, config.listeners[1].name.span.column), (3, 13));
    assert_eq!((config.worker_count, config.strict), (Some(4), true));
    assert_eq!(read_text("listeners:\nworkerCount: ~\n").unwrap(), Config::default());
}

#[test]
fn every_mistake_is_found_in_one_pass() {
    let found = mistakes(
        "listners: []\nworkerCount: many\nlisteners:\n  - name: a\n    protocol: Htp\n  - protocol: Http\n  - name: [x]\n    protocl: Http\nstrict: yes\n",
    );
    assert_eq!(
        found,
        [
            (Reason::UnknownField, 1, 1),
            (Reason::InvalidValue, 2, 14),
            (Reason::InvalidValue, 5, 15),
            (Reason::MissingField, 6, 5),
            (Reason::InvalidValue, 7, 11),
            (Reason::UnknownField, 8, 5),
            (Reason::InvalidValue, 9, 9),
        ]
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_a_second_one() {
    assert_eq!(mistakes("listeners:\n  - name: {}\n"), [(Reason::InvalidValue, 2, 11)]);
    assert_eq!(mistakes("listeners:\n  - nam: a\n"), [(Reason::UnknownField, 2, 5)]);
}

#[test]
fn the_probable_word_is_suggested() {
    let problems = read_text("listeners:\n  - name: a\n    protocol: HTTPS\n    protocal: x\n").unwrap_err();
    assert!(problems[0].help.as_deref().unwrap().starts_with("did you mean Https?"), "{problems:?}");
    assert!(problems[1].help.as_deref().unwrap().starts_with("did you mean \"protocol\"?"), "{problems:?}");
}

#[test]
fn mistakes_without_end_are_bounded() {
    let text = format!("listeners:\n{}", "  - protocol: Http\n".repeat(10_000));
    assert_eq!(mistakes(&text).len(), MAX_PROBLEMS);
}
