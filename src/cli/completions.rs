//! `genkan completions SHELL`: generated from the parser.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::output::Stream;

/// Print completions for a shell
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "genkan", &mut script);
        Stream::Out.write(&String::from_utf8_lossy(&script));
        ExitCode::SUCCESS
    }
}
