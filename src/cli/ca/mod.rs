//! `genkan ca`: the local CA, one file an action. What they share is here: finding the CA, and describing it.

mod create;
mod export;
mod install;
mod issue;
mod uninstall;

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};

use super::output::{Stream, printable};
use super::{Refusal, USAGE};
use crate::authority::trust::{Step, Stores};
use crate::authority::{self, Authority, Change};
use crate::date::rfc3339;

/// The local CA: make it, trust it, issue certificates
///
/// The local CA is what demo gets its certificate from: a root of your own, kept in your data directory, that can vouch
/// only for names that mean this machine. No trust store is touched unless you ask for it with install.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, subcommand_required = true, disable_help_subcommand = true)]
pub(super) struct Ca {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(create::Create),
    Install(install::Install),
    Uninstall(uninstall::Uninstall),
    Export(export::Export),
    Issue(issue::Issue),
}

impl Ca {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        match self.action {
            Action::Create(create) => create.run(),
            Action::Install(install) => install.run(),
            Action::Uninstall(uninstall) => uninstall.run(),
            Action::Export(export) => export.run(),
            Action::Issue(issue) => issue.run(),
        }
    }
}

/// Which stores a command is about; neither flag means both.
#[derive(Clone, Copy, Debug, Args)]
struct Which {
    /// Only the system's store
    #[arg(long, env = "GENKAN_SYSTEM", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    system: bool,
    /// Only the browsers' own stores
    #[arg(long, env = "GENKAN_NSS", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    nss: bool,
    /// Do not ask
    #[arg(short, long, env = "GENKAN_YES", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    yes: bool,
}

impl Which {
    fn stores(self) -> Stores {
        let both = self.system == self.nss;
        Stores { system: self.system || both, nss: self.nss || both }
    }

    /// Asks, unless told not to. A question that nobody sees is refused in place of being answered.
    fn confirm(self, question: &str) -> Result<(), Refusal> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(Refusal::usage("this changes what programs trust, and there is no terminal to ask on").help("to go on without: --yes"));
        }
        Stream::Err.write(&format!("{question} [y/N] "));
        let mut answer = String::new();
        let _ = io::stdin().lock().read_line(&mut answer); // No answer is none.
        if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(Refusal::no("nothing was changed")) }
    }
}

/// Where the CA is, or would be.
fn directory() -> Result<PathBuf, Refusal> {
    authority::directory().ok_or_else(|| Refusal::usage("neither XDG_DATA_HOME nor HOME is set, so there is no place for a CA"))
}

/// The CA that is there; that there is none is a no.
fn open() -> Result<(PathBuf, Authority), Refusal> {
    let directory = directory()?;
    let opened = Authority::open(&directory).map_err(|error| cannot(&error))?;
    let absent = || Refusal::no(format!("there is no CA in {}", directory.display())).help("genkan ca create");
    let authority = opened.ok_or_else(absent)?;
    Ok((directory, authority))
}

fn cannot(error: &io::Error) -> Refusal {
    let refusal = Refusal::no(error.to_string());
    match error.kind() {
        io::ErrorKind::InvalidData => refusal.help("make a new one: genkan ca create --force"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound => Refusal { code: USAGE, ..refusal },
        _ => refusal,
    }
}

/// The CA for a command that needs one, made or renewed if that is needed, which is said.
pub(super) fn keep(now: SystemTime) -> io::Result<Authority> {
    let directory = authority::directory().ok_or_else(|| io::Error::other("neither XDG_DATA_HOME nor HOME is set"))?;
    let kept = Authority::keep(&directory, now)?;
    if let Change::Renewed(end) = kept.change {
        let date = day(end);
        Stream::Err.write(&format!("The local CA was made anew, for the old one's last day is {date}.\nWhere it was installed: genkan ca install\n"));
    }
    Ok(kept.authority)
}

/// A line for each fact, as results are printed.
fn describe(directory: &std::path::Path, authority: &Authority) -> String {
    let permitted: Vec<String> = authority.permitted().iter().map(ToString::to_string).collect();
    let permitted = if permitted.is_empty() { "every name".to_owned() } else { permitted.join(", ") };
    let rows = [
        ("directory", directory.display().to_string()),
        ("name", authority.name().to_owned()),
        ("sha-256", authority.fingerprint()),
        ("until", day(authority.not_after())),
        ("permitted", permitted),
    ];
    rows.iter().fold(String::new(), |text, (name, value)| text + &format!("{name:<10} {}\n", printable(value)))
}

/// A path on each.
fn lines(places: &[PathBuf]) -> String {
    places.iter().fold(String::new(), |text, place| text + &format!("  {}\n", printable(&place.display().to_string())))
}

fn day(time: SystemTime) -> String {
    rfc3339(time).chars().take(10).collect()
}

/// What a person may do about the stores that are not done; the number of those.
fn tell(steps: &[Step], word: impl Fn(&Step) -> (bool, String)) -> usize {
    let mut left = 0;
    for step in steps {
        let (done, text) = word(step);
        left += usize::from(!done);
        let stream = if done { Stream::Out } else { Stream::Err };
        stream.write(&format!("{}: {text}\n", printable(&step.store.display().to_string())));
    }
    left
}
