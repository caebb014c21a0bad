//! What compiling the configuration found, worst first.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::{Finding, Report, Severity};

/// The report.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct Findings<'r> {
    pub(in crate::admin) counts: Counts,
    pub(in crate::admin) findings: Vec<Finding<'r>>,
}

/// How many there are of each severity.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema, PartialEq, Eq)]
pub(in crate::admin) struct Counts {
    pub(in crate::admin) errors: usize,
    pub(in crate::admin) warnings: usize,
    pub(in crate::admin) notes: usize,
}

impl Counts {
    pub(in crate::admin) fn of(report: &Report) -> Self {
        let [errors, warnings, notes] = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| report.count(severity));
        Self { errors, warnings, notes }
    }
}

impl<'r> Findings<'r> {
    pub(in crate::admin) fn of(report: &'r Report) -> Self {
        let mut diagnostics: Vec<_> = report.diagnostics.iter().collect();
        diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
        Self { counts: Counts::of(report), findings: diagnostics.into_iter().map(|diagnostic| Finding::from(&**diagnostic)).collect() }
    }
}
