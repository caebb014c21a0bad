//! `genkan certificates`: what would be served to whom, and until when.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use serde::Serialize;

use super::flags::{Files, Format, Mapped};
use super::look::{Look, look};
use super::output::{Stream, printable};
use super::report::{self, Form, pretty};
use super::{NO, Refusal, USAGE, input};
use crate::date::{days_until, rfc3339};
use crate::model::{Certificate, Diagnostic, Finding, HostPattern, ObjectKind, Reason, Severity, Snapshot};

/// List certificates: names, expiry, chain, and who uses them
///
/// Lists the certificates of a configuration: names, key, issuer, expiry, chain, source, and the routed hosts that each
/// covers. Exits with 1 if one of them cannot be served.
#[derive(Debug, Args)]
pub(super) struct Certificates {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    mapped: Mapped,
    /// How the list is printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    names: Vec<String>,
    key_type: String,
    issuer: String,
    not_before: String,
    not_after: String,
    days_left: i64,
    chain_length: usize,
    source: String,
    hosts: Vec<String>,
}

#[derive(Serialize)]
struct Listing<'l> {
    certificates: &'l [Row],
    findings: Vec<Finding<'l>>,
}

impl Certificates {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let chosen = input::choose(&self.files.files)?;
        let look = look(chosen.configuration, self.mapped)?;
        let rows = look.served.as_ref().map(|(snapshot, _)| rows(snapshot, SystemTime::now())).unwrap_or_default();
        let findings: Vec<&Diagnostic> =
            look.report.diagnostics.iter().map(|finding| &**finding).filter(|finding| look.served.is_none() || concerns(finding)).collect();
        match self.format {
            Format::Text => {
                Stream::Out.write(&table(&rows));
                let findings: Vec<Diagnostic> = findings.iter().copied().cloned().collect();
                Stream::Err.write(&report::render(&findings, Form::Text { colour: Stream::Err.colour() }));
            }
            Format::Json => {
                let findings = findings.iter().copied().map(Finding::from).collect();
                Stream::Out.write(&pretty(&Listing { certificates: &rows, findings }));
            }
        }
        Ok(exit_code(&look, &findings).into())
    }
}

fn exit_code(look: &Look, findings: &[&Diagnostic]) -> u8 {
    if look.unopened {
        USAGE
    } else if findings.iter().any(|finding| finding.severity == Severity::Error) {
        NO
    } else {
        0
    }
}

/// Whether a finding is about certificates.
fn concerns(finding: &Diagnostic) -> bool {
    let object = finding.object.as_ref().is_some_and(|object| object.kind == ObjectKind::Certificate);
    object || matches!(finding.reason, Reason::NoCertificate | Reason::CertificateHostMismatch)
}

fn rows(snapshot: &Snapshot, now: SystemTime) -> Vec<Row> {
    let mut hosts: Vec<&HostPattern> = Vec::new();
    for host in snapshot.routes().flat_map(|route| &route.matches.hosts) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    snapshot.certificates.iter().map(|certificate| row(certificate, &hosts, now)).collect()
}

fn row(certificate: &Certificate, hosts: &[&HostPattern], now: SystemTime) -> Row {
    let facts = certificate.pair.facts();
    let covered = |host: &HostPattern| match host {
        HostPattern::Exact(host) => certificate.pair.covers(host),
        HostPattern::Wildcard(parent) | HostPattern::Deep(parent) => facts.names.contains(&HostPattern::Wildcard(parent.clone())),
    };
    Row {
        names: facts.names.iter().map(ToString::to_string).collect(),
        key_type: facts.key_type.to_string(),
        issuer: facts.issuer.clone(),
        not_before: rfc3339(facts.not_before),
        not_after: rfc3339(facts.not_after),
        days_left: days_until(facts.not_after, now),
        chain_length: facts.chain_length,
        source: certificate.name.to_string(),
        hosts: hosts.iter().filter(|host| covered(host)).map(ToString::to_string).collect(),
    }
}

fn table(rows: &[Row]) -> String {
    let mut cells = vec![["NAMES", "KEY", "ISSUER", "EXPIRES", "CHAIN", "SOURCE", "HOSTS"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let expires = row.not_after.get(..10).unwrap_or_default();
        let left = if row.days_left < 0 { "expired".to_owned() } else { format!("{} days", row.days_left) };
        let hosts = if row.hosts.is_empty() { "-".to_owned() } else { row.hosts.join(" ") };
        [
            row.names.join(" "),
            row.key_type.clone(),
            row.issuer.clone(),
            format!("{expires} ({left})"),
            row.chain_length.to_string(),
            row.source.clone(),
            hosts,
        ]
        .map(|cell| printable(&cell))
    }));
    let widths: Vec<usize> = (0..7).map(|column| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in &cells {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}
