//! `genkan ca uninstall`: takes back what install has told the trust stores, and nothing else.

use std::process::ExitCode;

use clap::Args;

use super::{Which, cannot, directory, lines, tell};
use crate::authority::trust::{Outcome, Step, Trust};
use crate::cli::output::{Stream, printable, quoted};
use crate::cli::{NO, Refusal};

/// Undo what install did, after asking
///
/// Takes the CA out of the trust stores that install has put it in, also one that was replaced since. The CA itself stays
/// where it is. Exits with 1 if something is left to do.
#[derive(Debug, Args)]
pub(super) struct Uninstall {
    #[command(flatten)]
    which: Which,
}

impl Uninstall {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let trust = Trust::of_user(&directory()?);
        let stores = self.which.stores();
        let installed = trust.installed(stores).map_err(|error| cannot(&error))?;
        if installed.is_empty() {
            Stream::Err.write("There is nothing to undo: no CA was installed from here.\n");
            return Ok(ExitCode::SUCCESS);
        }
        Stream::Err.write(&format!("The local CA was installed in\n{}", lines(&installed)));
        self.which.confirm("Remove it?")?;
        let steps = trust.uninstall(stores).map_err(|error| cannot(&error))?;
        let left = tell(&steps, word);
        Ok(if left == 0 { ExitCode::SUCCESS } else { NO.into() })
    }
}

/// Whether nothing is left to do, and what there is to say.
fn word(step: &Step) -> (bool, String) {
    match &step.outcome {
        Outcome::Done => (true, "does not trust the CA any more".to_owned()),
        Outcome::Already | Outcome::Absent => (true, "the CA was gone already".to_owned()),
        Outcome::Foreign => (true, "has something else in this place now; it is left alone".to_owned()),
        Outcome::NeedsRoot => (false, format!("needs root; run\n\n  sudo rm {} && sudo update-ca-certificates --fresh\n", quoted(&step.store))),
        Outcome::NoProgram(program, package) => (false, format!("needs {program}; install the package {package}, then run this again")),
        Outcome::Failed(why) => (false, printable(why)),
    }
}
