//! `genkan ca create`: a root, or mkcert's, in the data directory.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;

use super::{cannot, describe, directory};
use crate::authority::{Authority, Subtree};
use crate::cli::Refusal;
use crate::cli::output::Stream;

/// Make the local CA
///
/// Makes a root that can vouch only for localhost, *.localhost, *.test, *.internal and loopback addresses, and for what
/// --permit adds. Prints where it is; its key stays there. demo makes one by itself if there is none.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Permit another name with all below it, or a network (repeatable)
    ///
    /// A name and all below it (example.com), only those below it (.example.com), an address, or a network (10.0.0.0/8);
    /// may be repeated.
    #[arg(long, value_name = "NAME", env = "GENKAN_PERMIT", hide_env_values = true, value_delimiter = '\n', value_parser = Subtree::parse)]
    permit: Vec<Subtree>,
    /// Replace the CA that is there
    #[arg(long, env = "GENKAN_FORCE", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    force: bool,
    /// Take over mkcert's CA ($CAROOT); it permits every name
    #[arg(long, env = "GENKAN_FROM_MKCERT", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    from_mkcert: bool,
}

impl Create {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let directory = directory()?;
        let replaced = match Authority::open(&directory) {
            Ok(Some(authority)) if !self.force => return Err(exists(&directory, &authority)),
            Ok(there) => there.is_some(),
            // With --force, one that cannot be used is replaced too.
            Err(error) if !self.force => return Err(cannot(&error)),
            Err(_) => true,
        };
        let authority = self.make()?;
        authority.store(&directory, self.force).map_err(|error| cannot(&error))?;
        Stream::Out.write(&describe(&directory, &authority));
        if self.from_mkcert {
            Stream::Err.write("Where mkcert has installed it, it is trusted already; where it has not:\ngenkan ca install\n");
        } else if replaced {
            Stream::Err.write("The old CA is gone: what it issued is to be issued again, and where it was\ninstalled: genkan ca install\n");
        } else {
            Stream::Err.write("Nothing trusts it yet. To make browsers and programs trust it: genkan ca install\n");
        }
        Ok(ExitCode::SUCCESS)
    }

    fn make(&self) -> Result<Authority, Refusal> {
        if !self.from_mkcert {
            return Authority::constrained(&self.permit, SystemTime::now()).map_err(|error| Refusal::no(error.to_string()));
        }
        if !self.permit.is_empty() {
            return Err(Refusal::usage("--permit is for a CA that is made, and --from-mkcert takes over one that permits every name"));
        }
        let (authority, from) = Authority::of_mkcert().map_err(|error| mkcert(&error))?;
        Stream::Err.write(&format!(
            "This is mkcert's CA, from {}.\nIt is not constrained: whoever gets its key can pose as any site to those who\ntrust it.\n",
            from.display()
        ));
        Ok(authority)
    }
}

fn exists(directory: &Path, authority: &Authority) -> Refusal {
    Stream::Out.write(&describe(directory, authority));
    Refusal::no("there is a CA already").help("what it has issued would be worthless, and trust in it is no trust in another; to replace it: --force")
}

fn mkcert(error: &std::io::Error) -> Refusal {
    let refusal = Refusal::no(format!("mkcert's CA cannot be taken over: {error}"));
    if error.kind() == std::io::ErrorKind::NotFound { refusal.help("mkcert -CAROOT says where it is; set CAROOT to that") } else { refusal }
}
