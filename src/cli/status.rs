//! `genkan status`: what a running process says of itself. With `--ready`, a probe for containers that have neither
//! shell nor curl.

use std::process::ExitCode;

use clap::Args;

use super::ask::{admin, ask_any};
use super::output::{self, Stream, printable};
use super::{NO, Refusal};

/// Ask a running process whether it is ready, and why not
#[derive(Debug, Args)]
pub(super) struct Status {
    /// Only answer by exit code: 0 ready, 1 not
    #[arg(long, env = "GENKAN_READY", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    ready: bool,
    /// The process's admin listener
    #[arg(long, value_name = "ADDRESS|PORT", env = "GENKAN_ADMIN", hide_env_values = true, default_value = "127.0.0.1:9900")]
    admin: String,
}

impl Status {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let address = admin(&self.admin)?;
        let target = if self.ready { "/readyz" } else { "/readyz?verbose" };
        match ask_any(address, target) {
            Ok((status, body)) => {
                if !self.ready {
                    Stream::Out.write(&body.lines().map(|line| printable(line) + "\n").collect::<String>());
                }
                Ok(if status == 200 { ExitCode::SUCCESS } else { NO.into() })
            }
            Err(error) => {
                output::problem(&format!("no answer from {address}: {error}"), None);
                Ok(NO.into())
            }
        }
    }
}
