//! `genkan explain`: why a request goes where it goes, by the configuration or by a process that runs.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::ask::Process;
use super::flags::{Files, Format, Mapped};
use super::look::{Look, look};
use super::output::{Stream, printable, printable_lines};
use super::report::{self, Form};
use super::{NO, Refusal, USAGE, input};
use crate::explain::{Asked, World, explain, render};
use crate::percent::encode;

/// Say why a request goes where it goes
///
/// Says which listener, certificate, route, filters and backend a request gets, and on what every other route lost: by
/// a configuration, with the code that run uses, or by a process that runs. Exits with 1 if no route or listener is for it.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// [METHOD] URL
    #[arg(value_name = "[METHOD] URL", num_args = 1..=2, required = true)]
    request: Vec<String>,
    #[command(flatten)]
    files: Files,
    /// A field of the request, as 'name: value' (repeatable)
    #[arg(short = 'H', long = "header", value_name = "FIELD", env = "GENKAN_HEADER", hide_env_values = true, value_delimiter = '\n')]
    headers: Vec<String>,
    /// The client's address
    #[arg(long, value_name = "IP", env = "GENKAN_FROM", hide_env_values = true)]
    from: Option<IpAddr>,
    /// Ask a running process instead of a configuration
    #[arg(long, value_name = "ADDRESS|PORT", env = "GENKAN_ADMIN", hide_env_values = true, conflicts_with = "files")]
    admin: Option<String>,
    /// The file with the token that the process asks for
    #[arg(long, value_name = "FILE", env = "GENKAN_TOKEN_FILE", hide_env_values = true, requires = "admin")]
    token_file: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "text")]
    format: Format,
    #[command(flatten)]
    mapped: Mapped,
}

impl Explain {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let (method, url) = match self.request.as_slice() {
            [method, url] => (Some(method.as_str()), url.as_str()),
            [url] => (None, url.as_str()),
            _ => return Err(Refusal::usage("write a URL, or a method and a URL")),
        };
        let asked = Asked::parse(method, url, &self.headers, self.from).map_err(Refusal::usage)?;
        if let Some(address) = &self.admin {
            let process = Process::named(address, self.token_file.as_deref())?;
            return ask(&process, method, url, &self.headers, self.from, self.format);
        }
        let chosen = input::choose(&self.files.files)?;
        let look = look(chosen.configuration, self.mapped)?;
        let Look { served: Some((snapshot, _)), origins, .. } = &look else { return Ok(unserved(&look)) };
        let trace = explain(World { snapshot, origins, endpoints: None }, &asked);
        Stream::Out.write(&match self.format {
            Format::Text => render(&trace),
            Format::Json => report::pretty(&trace),
        });
        Ok(code(&trace.outcome.reason))
    }
}

/// Whether there is a way for the request: a route, also one that refuses it.
fn code(reason: &str) -> ExitCode {
    if matches!(reason, "no_route" | "no_listener") { NO.into() } else { ExitCode::SUCCESS }
}

/// There is nothing to explain by.
pub(super) fn unserved(look: &Look) -> ExitCode {
    Stream::Err.write(&report::render(&look.report.diagnostics, Form::Text { colour: Stream::Err.colour() }));
    Stream::Err.write(&format!("{}\n", look.summary()));
    if look.unopened { USAGE.into() } else { NO.into() }
}

fn ask(process: &Process, method: Option<&str>, url: &str, headers: &[String], from: Option<IpAddr>, format: Format) -> Result<ExitCode, Refusal> {
    let mut target = format!("/api/v1/explain?method={}&url={}", encode(method.unwrap_or("GET")), encode(url));
    for header in headers {
        target.push_str(&format!("&header={}", encode(header)));
    }
    if let Some(from) = from {
        target.push_str(&format!("&from={from}"));
    }
    if format == Format::Text {
        target.push_str("&format=text");
    }
    let (status, body) = process.ask(&target).map_err(|error| process.no_answer(&error))?;
    match status {
        200 => Stream::Out.write(&printable_lines(&body)),
        _ => return Err(Refusal::no(format!("{process} answers {status}: {}", printable(body.trim())))),
    }
    let found = match format {
        Format::Json => reason_of(&body),
        // Its last line ends in the reason.
        Format::Text => body.trim_end().rsplit_once('(').map(|(_, reason)| reason.trim_end_matches(')').to_owned()),
    };
    Ok(code(&found.unwrap_or_default()))
}

fn reason_of(body: &str) -> Option<String> {
    serde_json::from_str::<serde_json::Value>(body).ok()?.get("outcome")?.get("reason")?.as_str().map(str::to_owned)
}
