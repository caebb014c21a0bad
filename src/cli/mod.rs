//! The commands, one file each, and the parser that tells them apart. A command either does its work and ends with an
//! exit code, or hands back the settings to serve with; nothing here serves.
//!
//! Exit codes: 0 fine; 1 the answer is no; 2 the command line is wrong or a named path cannot be opened; 3 there are
//! warnings, and `--strict` was given.

#![allow(rustdoc::broken_intra_doc_links, rustdoc::bare_urls, reason = "these comments are what --help prints")]

mod ask;
mod ca;
mod certificates;
mod check;
mod completions;
mod demo;
mod dev;
mod diff;
mod explain;
mod flags;
mod input;
mod look;
mod man;
pub mod output;
pub mod report;
mod run;
mod schema;
mod status;
mod tap;
mod test;
mod top;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use look::counts;

use crate::settings::Settings;

/// What `main` does next.
pub enum Next {
    /// End the process.
    Exit(ExitCode),
    /// Serve until told to end.
    Serve(Box<Settings>),
}

/// The answer is no.
pub const NO: u8 = 1;
/// The command line is wrong, or a named path cannot be opened.
pub const USAGE: u8 = 2;
/// Nothing is wrong, but something is suspicious, and `--strict` was given.
pub const WARNINGS: u8 = 3;

/// A TLS-terminating reverse proxy.
#[derive(Debug, Parser)]
#[command(name = "genkan", version, max_term_width = 80, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = EXAMPLES, after_long_help = MANUAL)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Try it:  genkan demo
Serve:   genkan run -f genkan.yaml
Look:    genkan check -f genkan.yaml";

const MANUAL: &str = "\
Try it:  genkan demo
Serve:   genkan run -f genkan.yaml
Look:    genkan check -f genkan.yaml

Every long flag can be set as GENKAN_FLAG in the environment; those that may be
repeated have one value a line there. A flag beats the environment, which beats
the file.

Exit codes:
  0  fine
  1  the answer is no: errors in what was read, nothing to start on, no route
     (explain), a failed case (test), a difference (diff --exit-code)
  2  the command line is wrong, or a named path cannot be opened
  3  warnings, with --strict";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Dev(dev::Dev),
    Demo(demo::Demo),
    Check(check::Check),
    Explain(explain::Explain),
    Test(test::Test),
    Diff(diff::Diff),
    Certificates(certificates::Certificates),
    Ca(ca::Ca),
    Status(status::Status),
    Top(top::Top),
    Tap(tap::Tap),
    Completions(completions::Completions),
    Man(man::Man),
    Schema(schema::Schema),
}

/// Why a command is not followed.
#[derive(Debug)]
struct Refusal {
    message: String,
    help: Option<String>,
    code: u8,
}

impl Refusal {
    /// The command line is wrong.
    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, code: USAGE }
    }

    /// It is right, and cannot be done here.
    fn no(message: impl Into<String>) -> Self {
        Self { code: NO, ..Self::usage(message) }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Follows a command line.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Next {
    let cli = match parse(arguments.into_iter().collect()) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print(); // Nobody reads it.
            return Next::Exit(if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS });
        }
    };
    let done = match cli.command {
        Command::Run(run) => run.settings().map(|settings| Next::Serve(Box::new(settings))),
        Command::Dev(dev) => dev.settings().map(|settings| Next::Serve(Box::new(settings))),
        Command::Demo(demo) => demo.settings().map(|settings| Next::Serve(Box::new(settings))),
        Command::Check(check) => check.run().map(Next::Exit),
        Command::Explain(explain) => explain.run().map(Next::Exit),
        Command::Test(test) => test.run().map(Next::Exit),
        Command::Diff(diff) => diff.run().map(Next::Exit),
        Command::Certificates(certificates) => certificates.run().map(Next::Exit),
        Command::Ca(ca) => ca.run().map(Next::Exit),
        Command::Status(status) => status.run().map(Next::Exit),
        Command::Top(top) => top.run().map(Next::Exit),
        Command::Tap(tap) => tap.run().map(Next::Exit),
        Command::Completions(completions) => Ok(Next::Exit(completions.run())),
        Command::Man(man) => man.run().map(Next::Exit),
        Command::Schema(schema) => Ok(Next::Exit(schema.run())),
    };
    done.unwrap_or_else(|refusal| {
        output::problem(&refusal.message, refusal.help.as_deref());
        Next::Exit(refusal.code.into())
    })
}

fn parse(arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    // The short help is to fit on a screen; variables have their lines in the long one.
    let short = arguments.iter().any(|argument| argument == "-h");
    let command = with_variables(Cli::command(), &arguments, short);
    Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

fn with_variables(command: clap::Command, line: &[OsString], hidden: bool) -> clap::Command {
    let beaten = beaten(&command, line);
    let command = command.mut_args(|argument| {
        // Compose files and charts set what nobody has filled in to nothing.
        let empty = argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let unread = empty || beaten.contains(argument.get_id());
        let argument = argument.hide_env(hidden);
        if unread { argument.env(None::<&str>) } else { argument }
    });
    command.mut_subcommands(|command| with_variables(command, line, hidden))
}

/// Flags whose variables are not read, because another flag excludes them: a flag beats the environment, and the image
/// sets `GENKAN_ADMIN` for everything that is run in it. Of two variables the one gives way whose flag excludes the other.
fn beaten(command: &clap::Command, line: &[OsString]) -> Vec<clap::Id> {
    let mut beaten = Vec::new();
    for flag in command.get_arguments() {
        for other in command.get_arg_conflicts_with(flag) {
            match (is_said(flag, line), is_said(other, line)) {
                (true, false) => beaten.push(other.get_id().clone()),
                (false, true) => beaten.push(flag.get_id().clone()),
                (false, false) if variable(other).is_some() => beaten.push(flag.get_id().clone()),
                (false, false) | (true, true) => {}
            }
        }
    }
    beaten
}

/// What its variable says, if that is anything.
fn variable(argument: &clap::Arg) -> Option<OsString> {
    argument.get_env().and_then(std::env::var_os).filter(|value| !value.is_empty())
}

fn is_said(flag: &clap::Arg, line: &[OsString]) -> bool {
    let long = flag.get_long().map(|long| format!("--{long}"));
    let short = flag.get_short().map(|short| format!("-{short}"));
    line.iter().map(|word| word.to_string_lossy()).any(|word| {
        let is_long = long.as_ref().is_some_and(|long| word.strip_prefix(long.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')));
        is_long || short.as_ref().is_some_and(|short| word.starts_with(short.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever clap itself can find out about the definitions.
    #[test]
    fn the_parser_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_long_flag_has_a_variable_that_kubernetes_does_not_inject() {
        let mut waiting = vec![Cli::command()];
        while let Some(command) = waiting.pop() {
            waiting.extend(command.get_subcommands().cloned());
            for argument in command.get_arguments() {
                let Some(long) = argument.get_long().filter(|long| !matches!(*long, "help" | "version")) else { continue };
                let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned());
                let expected = format!("GENKAN_{}", long.to_uppercase().replace('-', "_"));
                assert_eq!(variable.as_deref(), Some(expected.as_str()), "{} --{long}", command.get_name());
                assert!(!["port", "service-host", "service-port"].iter().any(|end| long.ends_with(end)), "--{long}");
            }
        }
    }
}
