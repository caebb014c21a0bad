//! What is expected beside what is found. Something that cannot be seen is neither right nor wrong, and is written down.

use std::path::Path;

use http::HeaderName;
use serde::Serialize;

use super::cases::Case;
use crate::model::{Host, HostPattern};

/// What can be said of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It has this value, or every one of these.
    Values(Vec<String>),
    /// It has none; what there is in its place.
    Nothing(String),
    /// It cannot be seen from here.
    Hidden,
}

/// What can be said of the answer to a case.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) status: Seen,
    /// Fields that are known. Of any other, `other_headers` is what can be said.
    pub(super) headers: Vec<(HeaderName, Seen)>,
    pub(super) other_headers: Seen,
    pub(super) location: Seen,
    pub(super) backend: Seen,
    pub(super) certificate: Seen,
    pub(super) reason: Seen,
    /// In a sentence, for people who look at a failure.
    pub(super) text: Option<String>,
}

/// What became of a case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    pub(super) name: String,
    /// Absent: nothing that it expects could be seen.
    pub(super) ok: Option<bool>,
    pub(super) differences: Vec<Difference>,
    pub(super) not_checked: Vec<String>,
    #[serde(skip)]
    pub(super) text: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) field: String,
    pub(super) expected: String,
    pub(super) found: String,
}

impl Verdict {
    pub(super) fn failed(&self) -> bool {
        self.ok == Some(false)
    }
}

/// Compares everything that a case expects.
pub(super) fn judge(case: &Case, observed: Observed) -> Verdict {
    let expect = &case.expect;
    let mut scale = Scale::default();
    if let Some(status) = expect.status {
        scale.weigh("status", &status.to_string(), &observed.status, same);
    }
    for (name, value) in &expect.headers {
        let known = observed.headers.iter().find(|(known, _)| known == name);
        scale.weigh(&format!("headers.{name}"), value, known.map_or(&observed.other_headers, |(_, seen)| seen), same);
    }
    let texts: [(&str, &Option<String>, &Seen, Rule); 4] = [
        ("location", &expect.location, &observed.location, same),
        ("backend", &expect.backend, &observed.backend, same),
        ("certificate", &expect.certificate, &observed.certificate, is_for),
        ("reason", &expect.reason, &observed.reason, same),
    ];
    for (field, expected, seen, rule) in texts {
        if let Some(expected) = expected {
            scale.weigh(field, expected, seen, rule);
        }
    }
    let Scale { differences, not_checked, right } = scale;
    let ok = if differences.is_empty() { (right > 0).then_some(true) } else { Some(false) };
    Verdict { name: case.name.clone(), ok, differences, not_checked, text: observed.text }
}

/// Whether a value is what is expected.
type Rule = fn(&str, &str) -> bool;

#[derive(Default)]
struct Scale {
    differences: Vec<Difference>,
    not_checked: Vec<String>,
    right: usize,
}

impl Scale {
    fn weigh(&mut self, field: &str, expected: &str, seen: &Seen, rule: Rule) {
        let found = match seen {
            Seen::Hidden => return self.not_checked.push(field.to_owned()),
            Seen::Values(values) if values.iter().any(|value| rule(expected, value)) || values.join(", ") == expected => {
                self.right += 1;
                return;
            }
            Seen::Values(values) => values.join(", "),
            Seen::Nothing(instead) => instead.clone(),
        };
        self.differences.push(Difference { field: field.to_owned(), expected: expected.to_owned(), found });
    }
}

fn same(expected: &str, value: &str) -> bool {
    expected == value
}

/// A certificate is meant by what it is called, by the end of the path where it is, or by a name that it is for.
fn is_for(expected: &str, value: &str) -> bool {
    let covers = || HostPattern::parse(value).ok().zip(Host::parse(expected).ok()).is_some_and(|(pattern, host)| pattern.matches(&host));
    same(expected, value) || value.contains('/') && Path::new(value).ends_with(expected) || covers()
}

#[cfg(test)]
mod tests {
    use super::super::cases::Expect;
    use super::*;
    use crate::explain::Asked;

    fn case(expect: Expect) -> Case {
        Case { name: "a".to_owned(), asked: Asked::parse(None, "https://a.test/", &[], None).unwrap(), body: String::new(), expect }
    }

    fn observed() -> Observed {
        Observed {
            status: Seen::Hidden,
            headers: vec![(HeaderName::from_static("x-a"), Seen::Values(vec!["1".to_owned(), "2".to_owned()]))],
            other_headers: Seen::Nothing("absent".to_owned()),
            location: Seen::Nothing("none".to_owned()),
            backend: Seen::Values(vec!["one".to_owned(), "two".to_owned()]),
            certificate: Seen::Values(vec!["/etc/genkan/tls".to_owned(), "*.shop.test".to_owned()]),
            reason: Seen::Hidden,
            text: None,
        }
    }

    #[test]
    fn what_is_not_seen_never_passes() {
        let verdict = judge(&case(Expect { status: Some(200), reason: Some("forwarded".to_owned()), ..Expect::default() }), observed());
        assert_eq!((verdict.ok, verdict.not_checked.as_slice()), (None, ["status".to_owned(), "reason".to_owned()].as_slice()));
        let verdict = judge(&case(Expect { status: Some(200), backend: Some("two".to_owned()), ..Expect::default() }), observed());
        assert_eq!((verdict.ok, verdict.not_checked.len()), (Some(true), 1));
    }

    #[test]
    fn every_difference_is_told() {
        let header = |name, value: &str| (HeaderName::from_static(name), value.to_owned());
        let expect = Expect {
            headers: vec![header("x-a", "2"), header("x-a", "1, 2"), header("x-a", "3"), header("x-b", "")],
            location: Some("/".to_owned()),
            backend: Some("three".to_owned()),
            ..Expect::default()
        };
        let verdict = judge(&case(expect), observed());
        let found: Vec<String> =
            verdict.differences.iter().map(|Difference { field, expected, found }| format!("{field}: {expected}: {found}")).collect();
        assert_eq!(found, ["headers.x-a: 3: 1, 2", "headers.x-b: : absent", "location: /: none", "backend: three: one, two"]);
        assert!(verdict.failed());
    }

    #[test]
    fn a_certificate_has_many_names() {
        for (expected, right) in [
            ("/etc/genkan/tls", true),
            ("tls", true),
            ("genkan/tls", true),
            ("ls", false),
            ("*.shop.test", true),
            ("a.shop.test", true),
            ("a.b.shop.test", false),
            ("shop.test", false),
        ] {
            let verdict = judge(&case(Expect { certificate: Some(expected.to_owned()), ..Expect::default() }), observed());
            assert_eq!(verdict.ok, Some(right), "{expected}");
        }
    }
}
