//! A table of fields: how each is read, and what becomes of it here. Objects are read by going through their table, and
//! the reference page is printed from it, so that no field can be forgotten in either.

use super::Finding;
use super::fields::{Wrong, boolean, entries};
use crate::control::yaml::{Node, Span, closest};
use crate::model::{Reason, Severity};

/// One field, or a group of fields that share their fate.
pub(super) struct Field<T: 'static> {
    /// `timeoutSec`, or `healthCheck.port`; for annotations the full name.
    pub(super) path: &'static str,
    /// What may be written.
    pub(super) value: &'static str,
    /// What holds where nothing is.
    pub(super) default: &'static str,
    /// What becomes of it.
    pub(super) fate: Fate<T>,
    /// Read in the cloud's source or documents; else assumed.
    pub(super) confirmed: bool,
}

/// Reads a value.
pub(super) type Read<T> = fn(&Node, &mut T) -> Result<(), Wrong>;

/// What becomes of a field.
pub(super) enum Fate<T: 'static> {
    /// It does what it does in the cloud; in a few words, what.
    Applied(&'static str, Read<T>),
    /// It does something else; what.
    Differently(&'static str, Read<T>),
    /// It does nothing; why.
    NoMeaning(&'static str),
    /// The cloud's controllers write it, and nobody reads it here.
    Written,
}

/// Reads everything in `node` that the table has, and tells what it has not.
pub(super) fn read<T>(table: &[Field<T>], node: &Node, into: &mut T, findings: &mut Vec<Finding>) {
    walk(table, node, "", into, findings);
}

fn walk<T>(table: &[Field<T>], node: &Node, prefix: &str, into: &mut T, findings: &mut Vec<Finding>) {
    for (key, value) in entries(node) {
        let path = if prefix.is_empty() { key.text.clone() } else { format!("{prefix}.{}", key.text) };
        if let Some(field) = table.iter().find(|field| field.path == path) {
            apply(field, value, key.span, into, findings);
            continue;
        }
        let below = format!("{path}.");
        let is_group = table.iter().any(|field| field.path.starts_with(&below));
        if is_group && matches!(value.kind, crate::control::yaml::Kind::Mapping(_)) {
            walk(table, value, &path, into, findings);
            continue;
        }
        if is_group {
            findings.push(unused(Wrong::new(value, format!("{path}: expected a mapping, found {}", value.describe()))));
            continue;
        }
        let siblings =
            table.iter().filter_map(|field| if prefix.is_empty() { Some(field.path) } else { field.path.strip_prefix(prefix)?.strip_prefix('.') });
        let siblings = siblings.map(|path| path.split('.').next().unwrap_or(path));
        let mut finding =
            Finding::new(Severity::Warning, Reason::UnknownField, key.span, format!("unknown field \"{path}\"")).effect("it is not used");
        finding.help = closest(&key.text, siblings).map(|meant| format!("did you mean \"{meant}\"?"));
        findings.push(finding);
    }
}

/// What becomes of one field that is there.
pub(super) fn apply<T>(field: &Field<T>, value: &Node, key: Span, into: &mut T, findings: &mut Vec<Finding>) {
    match &field.fate {
        Fate::Applied(_, read) => findings.extend(read(value, into).err().map(|wrong| named(field.path, wrong))),
        Fate::Differently(how, read) => {
            findings.push(Finding::new(Severity::Note, Reason::AppliedDifferently, key, format!("{} is applied differently: {how}", field.path)));
            findings.extend(read(value, into).err().map(|wrong| named(field.path, wrong)));
        }
        Fate::NoMeaning(_) if asks_for_nothing(value) => {}
        Fate::Written => {
            findings.push(Finding::new(
                Severity::Note,
                Reason::NotApplied,
                key,
                format!("{} is written by the cloud, and not read here", field.path),
            ));
        }
        Fate::NoMeaning(why) => {
            findings.push(Finding::new(Severity::Warning, Reason::NotApplied, key, format!("{} has no meaning here: {why}", field.path)));
        }
    }
}

/// Switched off, empty, or detached by an empty name.
fn asks_for_nothing(value: &Node) -> bool {
    let is_off = |enabled: &Node| boolean(enabled).is_ok_and(|enabled| !enabled);
    let is_empty = matches!(&value.kind, crate::control::yaml::Kind::Mapping(entries) if entries.is_empty());
    is_empty || value.get("enabled").is_some_and(is_off) || value.get("name").is_some_and(|name| name.as_text() == Some(""))
}

fn named(path: &str, wrong: Wrong) -> Finding {
    unused(Wrong { message: format!("{path}: {}", wrong.message), ..wrong })
}

pub(super) fn unused(wrong: Wrong) -> Finding {
    let mut finding = Finding::new(Severity::Warning, wrong.reason, wrong.span, wrong.message).effect("the field is not used");
    finding.help = wrong.help;
    finding
}
