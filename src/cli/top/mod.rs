//! `genkan top`: what a running process does just now, by route and by endpoint.

mod table;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use super::Refusal;
use super::ask::{AdminFlags, Process};
use super::output::{self, Stream, printable_lines};
use table::Look;

/// Watch the traffic of a running process, by route and by endpoint
///
/// In a terminal the picture is renewed in its place; elsewhere one follows the other.
#[derive(Debug, Args)]
pub(super) struct Top {
    /// From picture to picture, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 2, env = "GENKAN_INTERVAL", hide_env_values = true, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// End after so many pictures
    #[arg(short = 'n', long, value_name = "N", env = "GENKAN_COUNT", hide_env_values = true, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// So many routes and so many endpoints, the busiest first
    #[arg(long, value_name = "N", default_value_t = 15, env = "GENKAN_ROWS", hide_env_values = true, value_parser = clap::value_parser!(u16).range(1..))]
    rows: u16,
    /// What the first of them have most of: requests, errors, or requests in flight
    #[arg(long, value_enum, value_name = "BY", default_value_t, env = "GENKAN_SORT", hide_env_values = true, hide_possible_values = true)]
    sort: Sort,
    #[command(flatten)]
    admin: AdminFlags,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Sort {
    #[default]
    Requests,
    /// Answers with a status from 500 on; of endpoints, those that get no requests.
    Errors,
    /// Of routes, which have none of their own, requests.
    InFlight,
}

/// Home, and clear what is there (ECMA-48).
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

impl Top {
    pub(super) fn run(self) -> Result<ExitCode, Refusal> {
        let process = self.admin.process()?;
        let mut before = look(&process)?;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            sleep(Duration::from_secs(self.interval));
            left -= 1;
            let now = match look(&process) {
                Ok(now) => now,
                // It may be starting anew, and the next look finds it.
                Err(refusal) if left > 0 => {
                    output::problem(&refusal.message, None);
                    continue;
                }
                Err(refusal) => return Err(refusal),
            };
            let picture = printable_lines(&table::render(&before, &now, self.rows.into(), self.sort));
            Stream::Out.write(&if Stream::Out.is_terminal() { format!("{CLEAR}{picture}") } else { format!("{picture}\n") });
            before = now;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn look(process: &Process) -> Result<Look, Refusal> {
    let view = |name: &str| process.view(name)?.shown();
    Ok(Look { at: Instant::now(), status: view("status")?, routes: view("routes?limit=10000")?, backends: view("backends?limit=10000&probes=0")? })
}
