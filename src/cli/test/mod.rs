//! `genkan test`: cases of requests and what is expected of them, held against a configuration or sent to a running edge.
//! What a configuration alone cannot tell, such as a backend's own status, is said to be unchecked and never passes.

mod against;
mod cases;
mod client;
mod compare;
mod offline;
mod report;
mod tls;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};

use super::explain::unserved;
use super::flags::{Files, Format, Mapped};
use super::look::{Look, look};
use super::output::Stream;
use super::report::{Form, render};
use super::{NO, Refusal, input};
use crate::explain::World;
use against::{ConnectTo, Edge};
use cases::Case;
use compare::{Verdict, judge};

/// Hold a configuration, or a running edge, against cases
///
/// Each case is a request and what is expected of it:
///
///   - name: the shop is on https
///     request: { method: GET, url: https://shop.test/, headers: { X-A: b } }
///     expect: { status: 200, backend: web, certificate: shop.test }
///
/// A request may also have a body, and from, the client's address. What may be
/// expected as well: headers, location, and reason, the word at the end of what
/// genkan explain prints.
///
/// By a configuration, nothing is sent, and what only a backend decides is not
/// checked. With --against, requests are sent, and backend and reason are not.
///
/// Exits with 1 if a case fails or cannot be read.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Test {
    /// Files with cases, or -
    #[arg(value_name = "CASES.yaml", required = true, value_parser = OsStringValueParser::new().map(PathBuf::from))]
    cases: Vec<PathBuf>,
    #[command(flatten)]
    files: Files,
    /// Send the requests to this edge: https://HOST[:PORT]
    ///
    /// Send the requests to a running edge, ours or another. Cases over https go to its host and port, those over http to
    /// the same host and port 80; server name and Host are the case's. Certificates are compared, and not verified unless
    /// there is --cacert.
    #[arg(long, value_name = "URL", env = "GENKAN_AGAINST", hide_env_values = true, conflicts_with = "files")]
    against: Option<String>,
    /// Connect elsewhere, as curl does: HOST:PORT:HOST:PORT
    ///
    /// Connect to the second host and port in place of the first (repeatable). What is empty on the left stands for any,
    /// on the right for the same.
    #[arg(long, value_name = "PLACES", env = "GENKAN_CONNECT_TO", hide_env_values = true, value_delimiter = '\n', value_parser = connect_to)]
    connect_to: Vec<Option<ConnectTo>>,
    /// Verify certificates by the authorities in this file
    #[arg(long, value_name = "FILE", env = "GENKAN_CACERT", hide_env_values = true)]
    cacert: Option<PathBuf>,
    /// How the outcome is printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "text")]
    format: Format,
    #[command(flatten)]
    mapped: Mapped,
}

/// A variable that ends in a newline says nothing after it.
fn connect_to(text: &str) -> Result<Option<ConnectTo>, String> {
    if text.trim().is_empty() { Ok(None) } else { ConnectTo::parse(text).map(Some) }
}

impl Test {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let edge = match &self.against {
            Some(url) => Some(Edge::new(url, self.connect_to.into_iter().flatten().collect(), self.cacert.as_deref())?),
            None => None,
        };
        let cases = match cases::read(&self.cases)? {
            Ok(cases) => cases,
            Err(findings) => {
                Stream::Err.write(&render(&findings, Form::Text { colour: Stream::Err.colour() }));
                return Ok(NO.into());
            }
        };
        let verdicts = match &edge {
            Some(edge) => cases.iter().map(|case| judge(case, edge.observe(case))).collect(),
            None => {
                let chosen = input::choose(&self.files.files)?;
                match by_configuration(&cases, &look(chosen.configuration, self.mapped)?) {
                    Ok(verdicts) => verdicts,
                    Err(code) => return Ok(code),
                }
            }
        };
        Ok(tell(&verdicts, self.format, edge.is_some()))
    }
}

fn by_configuration(cases: &[Case], look: &Look) -> Result<Vec<Verdict>, ExitCode> {
    let Some((snapshot, _)) = &look.served else { return Err(unserved(look)) };
    if look.has_errors() {
        Stream::Err.write("the configuration has errors; genkan check says which\n");
    }
    let world = World { snapshot, origins: &look.origins, endpoints: None };
    Ok(cases.iter().map(|case| judge(case, offline::observe(world, case))).collect())
}

fn tell(verdicts: &[Verdict], format: Format, sent: bool) -> ExitCode {
    match format {
        Format::Text => Stream::Out.write(&report::text(verdicts, Stream::Out.colour())),
        Format::Json => Stream::Out.write(&report::json(verdicts)),
    }
    Stream::Err.write(&report::summary(verdicts, sent));
    if verdicts.iter().any(Verdict::failed) { NO.into() } else { ExitCode::SUCCESS }
}
