//! Looking into nodes without giving up on them: what is of the wrong kind is a finding, and counts as absent.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::{Finding, PortRef};
use crate::control::yaml::{Kind, Located, Node, Span, closest};
use crate::model::{Reason, Severity};

/// Access to the fields of an object, with a note of everything that is odd.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) findings: Vec<Finding>,
}

/// What is wrong with a value.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    pub(super) span: Span,
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Wrong {
    pub(super) fn new(node: &Node, message: impl Into<String>) -> Self {
        Self { span: node.span, reason: Reason::InvalidValue, message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Fields {
    pub(super) fn wrong(&mut self, wrong: Wrong) {
        let mut finding = Finding::new(Severity::Warning, wrong.reason, wrong.span, wrong.message).effect("the field is not used");
        finding.help = wrong.help;
        self.findings.push(finding);
    }

    fn take<T>(&mut self, key: &str, value: Option<Result<T, Wrong>>) -> Option<T> {
        match value? {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.wrong(Wrong { message: format!("{key}: {}", wrong.message), ..wrong });
                None
            }
        }
    }

    pub(super) fn text(&mut self, node: &Node, key: &str) -> Option<Located<String>> {
        let value = present(node, key).map(located);
        self.take(key, value)
    }

    pub(super) fn plain_text(&mut self, node: &Node, key: &str) -> Option<String> {
        self.text(node, key).map(|text| text.value)
    }

    pub(super) fn boolean(&mut self, node: &Node, key: &str) -> Option<bool> {
        let value = present(node, key).map(boolean);
        self.take(key, value)
    }

    pub(super) fn number(&mut self, node: &Node, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = present(node, key).map(|value| number(value, range));
        self.take(key, value)
    }

    pub(super) fn port(&mut self, node: &Node, key: &str) -> Option<u16> {
        self.number(node, key, 1..=65_535).and_then(|port| u16::try_from(port).ok())
    }

    /// Kubernetes' `IntOrString`; digits in quotes are a number in every manifest that has them.
    pub(super) fn port_ref(&mut self, node: &Node, key: &str) -> Option<PortRef> {
        let value = present(node, key).map(|value| match value.as_text() {
            Some(text) if !text.is_empty() => Ok(text.parse().map_or_else(|_| PortRef::Name(text.to_owned()), PortRef::Number)),
            _ => Err(Wrong::new(value, format!("expected a port's number or name, found {}", value.describe()))),
        });
        self.take(key, value)
    }

    /// The texts of a list, with their places.
    pub(super) fn located_texts(&mut self, node: &Node, key: &str) -> Vec<Located<String>> {
        self.list(node, key).iter().filter_map(|item| self.take(key, Some(located(item)))).collect()
    }

    /// The items of a list; nothing if it is none.
    pub(super) fn list<'n>(&mut self, node: &'n Node, key: &str) -> &'n [Node] {
        let Some(value) = present(node, key) else { return &[] };
        match &value.kind {
            Kind::Sequence(items) => items,
            _ => {
                self.wrong(Wrong::new(value, format!("{key}: expected a list, found {}", value.describe())));
                &[]
            }
        }
    }

    /// A mapping, or nothing.
    pub(super) fn mapping<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n Node> {
        let value = present(node, key)?;
        if matches!(value.kind, Kind::Mapping(_)) {
            return Some(value);
        }
        self.wrong(Wrong::new(value, format!("{key}: expected a mapping, found {}", value.describe())));
        None
    }

    /// A mapping of texts.
    pub(super) fn texts(&mut self, node: &Node, key: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for (name, value) in self.mapping(node, key).map_or(&[][..], entries) {
            if let Some(text) = self.take(&name.text, Some(located(value))) {
                texts.insert(name.text.clone(), text.value);
            }
        }
        texts
    }
}

/// A key that is nearly one of those that are read.
pub(super) fn near_misses(node: &Node, known: &[&str], fields: &mut Fields) {
    for (key, _) in entries(node) {
        if known.contains(&key.text.as_str()) {
            continue;
        }
        if let Some(meant) = closest(&key.text, known.iter().copied()) {
            let help = Some(format!("did you mean \"{meant}\"?"));
            fields.wrong(Wrong { span: key.span, reason: Reason::UnknownField, message: format!("unknown field \"{}\"", key.text), help });
        }
    }
}

/// A key that is there and not null.
pub(super) fn present<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key).filter(|value| !value.is_null())
}

/// The entries of a mapping.
pub(super) fn entries(node: &Node) -> &[(crate::control::yaml::Key, Node)] {
    match &node.kind {
        Kind::Mapping(entries) => entries,
        Kind::Scalar { .. } | Kind::Sequence(_) => &[],
    }
}

pub(super) fn located(node: &Node) -> Result<Located<String>, Wrong> {
    match node.as_text() {
        Some(text) if !node.is_null() => Ok(Located { value: text.to_owned(), span: node.span }),
        _ => Err(Wrong::new(node, format!("expected a text, found {}", node.describe()))),
    }
}

/// Quoted or not: those who write manifests by hand, or through templates, do both.
pub(super) fn number<N: FromStr + PartialOrd + Display>(node: &Node, range: RangeInclusive<N>) -> Result<N, Wrong> {
    let expected = || format!("expected a number from {} to {}, found {}", range.start(), range.end(), node.describe());
    node.as_text().and_then(|text| text.trim().parse().ok()).filter(|number| range.contains(number)).ok_or_else(|| Wrong::new(node, expected()))
}

/// As Go's `ParseBool` reads it, because the cloud's controller does.
pub(super) fn boolean(node: &Node) -> Result<bool, Wrong> {
    match node.as_text() {
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        _ => Err(Wrong::new(node, format!("expected true or false, found {}", node.describe()))),
    }
}
