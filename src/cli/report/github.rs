//! For GitHub Actions: workflow commands, one line a finding, that become annotations at the lines of a change
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).

use crate::model::{Diagnostic, Severity};

pub(super) fn render(diagnostics: &[&Diagnostic]) -> String {
    diagnostics.iter().map(|finding| command(finding)).collect()
}

fn command(finding: &Diagnostic) -> String {
    let mut properties = Vec::new();
    if let Some(place) = &finding.place {
        properties.push(format!("file={}", property(&place.file)));
        properties.push(format!("line={}", place.line));
        properties.push(format!("col={}", place.column));
        properties.push(format!("endColumn={}", place.column + place.width));
    }
    properties.push(format!("title={}", finding.reason));
    let mut message = finding.message.clone();
    for (name, line) in [("why", &finding.why), ("effect", &finding.effect), ("help", &finding.help)] {
        if let Some(line) = line {
            message.push_str(&format!("\n{name}: {line}"));
        }
    }
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    format!("::{level} {}::{}\n", properties.join(","), data(&message))
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
