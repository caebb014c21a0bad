//! For programs: one array, an object a finding, always with every key.

use serde::Serialize;

use crate::model::Diagnostic;

/// A finding with its keys in a fixed order.
#[derive(Serialize)]
pub(in crate::cli) struct Finding<'d> {
    severity: &'static str,
    reason: String,
    message: &'d str,
    object: Option<Object<'d>>,
    file: Option<&'d str>,
    line: Option<usize>,
    column: Option<usize>,
    width: Option<usize>,
    source: Option<&'d str>,
    why: Option<&'d str>,
    effect: Option<&'d str>,
    help: Option<&'d str>,
}

#[derive(Serialize)]
struct Object<'d> {
    kind: &'static str,
    name: &'d str,
}

pub(super) fn render(diagnostics: &[&Diagnostic]) -> String {
    let findings: Vec<Finding<'_>> = diagnostics.iter().map(|finding| Finding::from(*finding)).collect();
    pretty(&findings)
}

/// As people read it too. Texts and numbers alone cannot fail to be JSON.
pub(in crate::cli) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

impl<'d> From<&'d Diagnostic> for Finding<'d> {
    fn from(diagnostic: &'d Diagnostic) -> Self {
        let place = diagnostic.place.as_ref();
        Self {
            severity: diagnostic.severity.as_str(),
            reason: diagnostic.reason.to_string(),
            message: &diagnostic.message,
            object: diagnostic.object.as_ref().map(|object| Object { kind: object.kind.as_str(), name: &object.name }),
            file: place.map(|place| &*place.file),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            width: place.map(|place| place.width),
            source: place.map(|place| place.source.as_str()),
            why: diagnostic.why.as_deref(),
            effect: diagnostic.effect.as_deref(),
            help: diagnostic.help.as_deref(),
        }
    }
}
