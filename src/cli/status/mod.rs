//! `genkan status`: what a running process says of itself. With `--ready`, a probe for containers that have neither
//! shell nor curl.

mod health;
mod text;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::ask::{AdminFlags, Process, View};
use super::output::{self, Stream, printable_lines};
use super::report::pretty;
use super::{NO, Refusal};

/// Ask a running process what it serves, and whether it is ready
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Only answer by exit code: 0 ready, 1 not
    #[arg(long, env = "GENKAN_READY", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    ready: bool,
    /// text, json, or health: as `gcloud compute backend-services get-health` prints it, with reasons
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, env = "GENKAN_FORMAT", hide_env_values = true, hide_possible_values = true)]
    format: Shape,
    #[command(flatten)]
    admin: AdminFlags,
}

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Shape {
    #[default]
    Text,
    Json,
    Health,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let process = self.admin.process()?;
        let target = if self.ready { "/readyz" } else { "/readyz?verbose" };
        let (status, checks) = match process.ask(target) {
            Ok(answer) => answer,
            Err(error) => return Err(process.no_answer(&error)),
        };
        if !self.ready {
            Stream::Out.write(&self.tell(&process, &checks)?);
        }
        Ok(if status == 200 { ExitCode::SUCCESS } else { NO.into() })
    }

    fn tell(&self, process: &Process, checks: &str) -> Result<String, Refusal> {
        // Only programs want to know what probes found before the last one.
        let view = if self.format == Shape::Json { "backends" } else { "backends?probes=0" };
        let backends = match process.view(view)? {
            View::Shown(backends) => backends,
            // Views are for those on the same machine, or with the token; whether it is ready, it tells everybody.
            View::Hidden(refusal) if self.format == Shape::Text => {
                output::problem(&refusal.message, None);
                return Ok(format!("what it tells everybody:\n{}", printable_lines(checks)));
            }
            View::Hidden(refusal) => return Err(refusal),
        };
        let views = |name: &str| process.view(name).and_then(View::shown);
        Ok(match self.format {
            Shape::Text => printable_lines(&text::render(&views("status")?, &backends, &views("certificates")?, &views("report")?)),
            Shape::Json => pretty(&json!({ "status": views("status")?, "backends": backends["backends"], "report": views("report")? })),
            Shape::Health => printable_lines(&health::render(&backends)),
        })
    }
}
