//! For programs: one array, an object a finding.

use serde::Serialize;

use crate::model::{Diagnostic, Finding};

pub(super) fn render(diagnostics: &[&Diagnostic]) -> String {
    let findings: Vec<Finding<'_>> = diagnostics.iter().map(|finding| Finding::from(*finding)).collect();
    pretty(&findings)
}

/// As people read it too. Texts and numbers alone cannot fail to be JSON.
pub(in crate::cli) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
