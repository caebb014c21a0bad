//! A diagnostic as programs get it, from commands and from the admin listener: always with every key.

use schemars::JsonSchema;
use serde::Serialize;

use super::Diagnostic;

/// A finding with its keys in a fixed order.
#[derive(Serialize, JsonSchema)]
pub struct Finding<'d> {
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

#[derive(Serialize, JsonSchema)]
struct Object<'d> {
    kind: &'static str,
    name: &'d str,
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
