//! `genkan check`: everything that is wrong with a configuration, in one pass, and what would still be served.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::flags::{Files, Mapped};
use super::look::{Look, look};
use super::output::Stream;
use super::report::{self, Form};
use super::{NO, Refusal, USAGE, WARNINGS, input};
use crate::model::Severity;
use crate::settings::places;

/// Say everything that is wrong with a configuration; change nothing
///
/// Compiles the configuration with the code that run uses, certificates and names included, prints every mistake at
/// once, and says what would still be served. Changes nothing.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    mapped: Mapped,
    /// How findings are printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "text")]
    format: CheckFormat,
    /// Exit with 3 if there are warnings
    #[arg(long, env = "GENKAN_STRICT", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// For people.
    Text,
    /// For programs: an array of objects.
    Json,
    /// For GitHub Actions: annotations.
    Github,
}

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let chosen = input::choose(&self.files.files)?;
        if self.files.files.is_empty() {
            Stream::Err.write(&format!("checking {}\n", chosen.label));
        }
        let mut look = look(chosen.configuration, self.mapped)?;
        let missing = look.served.as_ref().map(|(snapshot, _)| places::missing(&snapshot.process)).unwrap_or_default();
        if !missing.is_empty() {
            look.served = None;
            look.report.diagnostics.extend(missing.into_iter().map(Arc::new));
            look.report.sort();
        }
        let form = match self.format {
            CheckFormat::Text => Form::Text { colour: Stream::Out.colour() },
            CheckFormat::Json => Form::Json,
            CheckFormat::Github => Form::Github,
        };
        Stream::Out.write(&report::render(&look.report.diagnostics, form));
        // Programs get findings alone; the sum is for people.
        let summary = if self.format == CheckFormat::Text { Stream::Out } else { Stream::Err };
        summary.write(&format!("{}\n", look.summary()));
        Ok(exit_code(&look, self.strict).into())
    }
}

fn exit_code(look: &Look, strict: bool) -> u8 {
    match () {
        () if look.unopened => USAGE,
        () if look.has_errors() => NO,
        () if strict && look.report.count(Severity::Warning) > 0 => WARNINGS,
        () => 0,
    }
}
