//! `genkan schema`: the configuration file for editors.

use std::process::ExitCode;

use clap::Args;

use super::output::Stream;
use super::report::pretty;
use crate::control::config;

/// Print the JSON Schema of the configuration file
///
/// Prints the JSON Schema (draft 7) of the configuration file. Editors read it from a first line such as
/// "# yaml-language-server: $schema=genkan.schema.json".
#[derive(Debug, Args)]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(self) -> ExitCode {
        let Self {} = self;
        Stream::Out.write(&pretty(&config::schema()));
        ExitCode::SUCCESS
    }
}
