//! `genkan ca install`: the one command that touches a trust store, after asking.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::{Which, cannot, lines, open, tell};
use crate::authority::trust::{Outcome, Step, Trust};
use crate::cli::output::{Stream, printable, quoted};
use crate::cli::{NO, Refusal};

/// Make this machine trust the local CA, after asking
///
/// Adds the CA to the system's trust store (as on Debian and Ubuntu; needs root) and to the databases of Firefox, Chrome
/// and Chromium (needs certutil). Says for each what was done. Exits with 1 if one is left to do.
#[derive(Debug, Args)]
pub(super) struct Install {
    #[command(flatten)]
    which: Which,
}

impl Install {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let (directory, authority) = open()?;
        let trust = Trust::of_user(&directory);
        let stores = self.which.stores();
        let places = lines(&trust.places(stores));
        Stream::Err.write(&format!("{} ({})\nis to be trusted by programs that use\n{places}", printable(authority.name()), authority.fingerprint()));
        if authority.permitted().is_empty() {
            Stream::Err.write("It permits every name: whoever gets its key can pose as any site.\n");
        }
        self.which.confirm("Install it?")?;
        let steps = trust.install(&authority, stores).map_err(|error| cannot(&error))?;
        let left = tell(&steps, |step| word(step, &directory.join("ca.crt")));
        if steps.iter().any(|step| step.outcome == Outcome::Done) {
            Stream::Err.write("Browsers that run now see it after a restart. To undo: genkan ca uninstall\n");
        }
        Ok(if left == 0 { ExitCode::SUCCESS } else { NO.into() })
    }
}

/// Whether nothing is left to do, and what there is to say.
fn word(step: &Step, certificate: &Path) -> (bool, String) {
    match &step.outcome {
        Outcome::Done => (true, "trusts the CA now".to_owned()),
        Outcome::Already => (true, "trusts the CA already".to_owned()),
        Outcome::Absent => (true, "there is no such store here".to_owned()),
        Outcome::NeedsRoot => {
            let (from, to) = (quoted(certificate), quoted(&step.store));
            (false, format!("needs root; run\n\n  sudo install -m 644 {from} {to} && sudo update-ca-certificates\n"))
        }
        Outcome::NoProgram(program, package) => (false, format!("needs {program}; install the package {package}, then run this again")),
        Outcome::Foreign => (false, "has something in this place that we did not put there; it is left alone".to_owned()),
        Outcome::Failed(why) => (false, printable(why)),
    }
}
