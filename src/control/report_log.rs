//! The report in the log: each finding once when it appears, and once when it is gone.

use std::collections::HashSet;

use crate::model::{Diagnostic, Report, Severity};

/// Remembers what has been written.
#[derive(Default)]
pub(super) struct ReportLog {
    written: HashSet<Diagnostic>,
}

impl ReportLog {
    /// Writes what is new.
    pub(super) fn write(&mut self, report: &Report) {
        let now: HashSet<Diagnostic> = report.diagnostics.iter().cloned().collect();
        for gone in self.written.difference(&now) {
            tracing::info!(reason = %gone.reason, "resolved: {}", gone.message);
        }
        for finding in report.diagnostics.iter().filter(|finding| !self.written.contains(finding)) {
            write(finding);
        }
        self.written = now;
    }
}

fn write(finding: &Diagnostic) {
    let place = finding.place.as_ref().map(ToString::to_string);
    let object = finding.object.as_ref().map(ToString::to_string);
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(
                reason = %finding.reason,
                object = object.as_deref(),
                place = place.as_deref(),
                why = finding.why.as_deref(),
                effect = finding.effect.as_deref(),
                help = finding.help.as_deref(),
                "{}", finding.message
            )
        };
    }
    match finding.severity {
        Severity::Error => event!(error),
        Severity::Warning => event!(warn),
    }
}
