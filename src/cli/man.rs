//! `genkan man`: manual pages, generated from the parser.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_mangen::Man as Page;

use super::output::Stream;
use super::{Cli, Refusal};

/// Print the manual page, or that of a command
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Which command: run, or ca issue
    command: Vec<String>,
}

impl Man {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let mut cli = Cli::command();
        cli.build();
        let mut command = &cli;
        for name in &self.command {
            command = command.find_subcommand(name).ok_or_else(|| Refusal::usage(format!("there is no command {}", self.command.join(" "))))?;
        }
        // The page of a sub-command is found as `genkan-run`.
        let name = std::iter::once("genkan").chain(self.command.iter().map(String::as_str)).collect::<Vec<_>>().join("-");
        let page = Page::new(command.clone().name(name).version(env!("CARGO_PKG_VERSION")));
        let mut roff = Vec::new();
        page.render(&mut roff).map_err(|error| Refusal::no(format!("the page cannot be made: {error}")))?;
        Stream::Out.write(&String::from_utf8_lossy(&roff));
        Ok(ExitCode::SUCCESS)
    }
}
