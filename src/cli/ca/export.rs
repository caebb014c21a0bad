//! `genkan ca export`: the root certificate for those who are to trust it. Never the key.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::open;
use crate::cli::Refusal;
use crate::cli::output::Stream;

/// Print the CA's certificate
///
/// Prints the root certificate to standard output, for devices and programs that have a trust store of their own. The
/// key is never printed.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// How it is printed
    #[arg(long, value_name = "FORMAT", env = "GENKAN_FORMAT", hide_env_values = true, default_value = "pem")]
    format: Encoding,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Encoding {
    /// Text.
    Pem,
    /// Bytes.
    Der,
}

impl Export {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let (_, authority) = open()?;
        match self.format {
            Encoding::Pem => Stream::Out.write(authority.certificate_pem()),
            Encoding::Der if Stream::Out.is_terminal() => {
                return Err(Refusal::usage("DER is no text, and this is a terminal").help("genkan ca export --format der > genkan-local-ca.der"));
            }
            Encoding::Der => Stream::Out.write_bytes(authority.certificate_der()),
        }
        Ok(ExitCode::SUCCESS)
    }
}
