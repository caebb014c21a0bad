//! What became of the cases: a line each with every difference below it, an array for programs, and the sum.

use super::super::output::printable;
use super::super::report::pretty;
use super::compare::{Difference, Verdict};

const GREEN: &str = "\u{1b}[1;32m";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const PLAIN: &str = "\u{1b}[0m";

pub(super) fn text(verdicts: &[Verdict], colour: bool) -> String {
    verdicts.iter().map(|verdict| one(verdict, colour)).collect()
}

pub(super) fn json(verdicts: &[Verdict]) -> String {
    pretty(&verdicts)
}

fn one(verdict: &Verdict, colour: bool) -> String {
    let (word, hue) = match verdict.ok {
        Some(true) => ("ok", GREEN),
        Some(false) => ("FAIL", RED),
        None => ("skip", YELLOW),
    };
    let word = if colour { format!("{hue}{word:<4}{PLAIN}") } else { format!("{word:<4}") };
    let mut text = format!("{word}  {}\n", printable(&verdict.name));
    let width = verdict.differences.iter().map(|difference| difference.field.len()).max().unwrap_or_default().max("outcome".len());
    for Difference { field, expected, found } in &verdict.differences {
        text.push_str(&format!("      {field:<width$}  expected {}, found {}\n", shown(expected), shown(found)));
    }
    if let Some(outcome) = verdict.text.as_ref().filter(|_| verdict.failed()) {
        text.push_str(&format!("      {:<width$}  {}\n", "outcome", printable(outcome)));
    }
    if verdict.ok.is_none() {
        text.push_str(&format!("      not checked: {}\n", printable(&verdict.not_checked.join(", "))));
    }
    text
}

fn shown(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { printable(text) }
}

/// How many cases did what, and what nobody looked at. `sent`: to a running edge.
pub(super) fn summary(verdicts: &[Verdict], sent: bool) -> String {
    let count = |ok: Option<bool>| verdicts.iter().filter(|verdict| verdict.ok == ok).count();
    let mut parts = vec![format!("{} ok", count(Some(true))), format!("{} failed", count(Some(false)))];
    if count(None) > 0 {
        parts.push(format!("{} skipped, with nothing in them that could be checked", count(None)));
    }
    let mut text = format!("{}: {}\n", plural(verdicts.len(), "case"), parts.join(", "));
    let not_checked: Vec<&str> = verdicts.iter().flat_map(|verdict| &verdict.not_checked).map(String::as_str).collect();
    if !not_checked.is_empty() {
        let mut names = not_checked.clone();
        names.sort_unstable();
        names.dedup();
        let why = if sent { "they cannot be seen from outside" } else { "a backend decides them, and --against asks it" };
        text.push_str(&format!("{} not checked ({}): {why}\n", plural(not_checked.len(), "expectation"), printable(&names.join(", "))));
    }
    text
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts() -> Vec<Verdict> {
        let verdict = |name: &str, ok, differences: Vec<Difference>, not_checked: &[&str]| Verdict {
            name: name.to_owned(),
            ok,
            differences,
            not_checked: not_checked.iter().map(ToString::to_string).collect(),
            text: Some("no route (no_route)".to_owned()),
        };
        let difference = Difference { field: "status".to_owned(), expected: "200".to_owned(), found: "404\u{1b}".to_owned() };
        vec![
            verdict("one", Some(true), Vec::new(), &["status"]),
            verdict("two", Some(false), vec![difference], &[]),
            verdict("three", None, Vec::new(), &["status", "headers.x-a"]),
        ]
    }

    #[test]
    fn people_get_a_line_a_case_and_every_difference() {
        let expected = "\
ok    one
FAIL  two
      status   expected 200, found 404\u{fffd}
      outcome  no route (no_route)
skip  three
      not checked: status, headers.x-a
";
        assert_eq!(text(&verdicts(), false), expected);
        let sum = "3 cases: 1 ok, 1 failed, 1 skipped, with nothing in them that could be checked\n\
                   3 expectations not checked (headers.x-a, status): a backend decides them, and --against asks it\n";
        assert_eq!(summary(&verdicts(), false), sum);
    }

    #[test]
    fn programs_get_an_array() {
        let value: serde_json::Value = serde_json::from_str(&json(&verdicts())).unwrap();
        assert_eq!(value[1]["differences"][0], serde_json::json!({ "field": "status", "expected": "200", "found": "404\u{1b}" }));
        assert_eq!((&value[0]["ok"], &value[2]["ok"], &value[2]["notChecked"][1]), (&true.into(), &serde_json::Value::Null, &"headers.x-a".into()));
        assert_eq!(value[0].as_object().unwrap().len(), 4);
    }
}
