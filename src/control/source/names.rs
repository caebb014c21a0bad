//! Names of endpoints to addresses, through the system's resolver, again and again. The last good answer stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Change, Source};
use crate::control::resources::{Resolution, Wanted};
use crate::model::Host;

/// Between answers of a name.
const PERIOD: Duration = Duration::from_secs(5);
/// Between failures of a name, once it has failed for a while.
const FAILING: Duration = Duration::from_secs(30);
/// Failures that are taken for a start-up race, in a compose file or a new namespace, and tried again soon.
const EARLY_FAILURES: u32 = 10;
/// Between the early failures.
const EARLY: Duration = Duration::from_secs(1);
/// How long the resolver may take; it holds a thread for that long.
const LIMIT: Duration = Duration::from_secs(10);
/// Addresses of one name.
const MAX_ADDRESSES: usize = 1000;
/// Look-ups at a time; each holds a thread.
const AT_A_TIME: usize = 16;

/// Asks the system's resolver.
#[derive(Default)]
pub struct Names {
    known: BTreeMap<Host, Name>,
}

struct Name {
    resolution: Option<Resolution>,
    failures: u32,
    due: Instant,
    asked: bool,
}

type Answer = (Host, io::Result<Vec<IpAddr>>);

impl Source for Names {
    async fn run(mut self, changes: mpsc::Sender<Change>, mut wanted: watch::Receiver<Wanted>) {
        let mut asking: JoinSet<Answer> = JoinSet::new();
        self.follow(&wanted.borrow_and_update().names);
        if self.known.is_empty() && changes.send(Change::Names(BTreeMap::new())).await.is_err() {
            return;
        }
        loop {
            self.ask(&mut asking);
            tokio::select! {
                changed = wanted.changed() => {
                    if changed.is_err() { return }
                    self.follow(&wanted.borrow_and_update().names);
                }
                Some(Ok(answer)) = asking.join_next() => {
                    if self.take(answer) && changes.send(Change::Names(self.resolutions())).await.is_err() { return }
                }
                () = sleep_until(self.next_due()) => {}
            }
        }
    }
}

impl Names {
    fn follow(&mut self, names: &BTreeSet<Host>) {
        self.known.retain(|host, _| names.contains(host));
        for host in names {
            self.known.entry(host.clone()).or_insert_with(|| Name { resolution: None, failures: 0, due: Instant::now(), asked: false });
        }
    }

    fn next_due(&self) -> Instant {
        let waiting = self.known.values().filter(|name| !name.asked).map(|name| name.due);
        waiting.min().unwrap_or_else(|| Instant::now() + FAILING)
    }

    fn ask(&mut self, asking: &mut JoinSet<Answer>) {
        let now = Instant::now();
        for (host, name) in &mut self.known {
            if asking.len() >= AT_A_TIME {
                return;
            }
            if !name.asked && name.due <= now {
                name.asked = true;
                asking.spawn(look_up(host.clone()));
            }
        }
    }

    /// Keeps an answer; says whether it is another one than before.
    fn take(&mut self, (host, answer): Answer) -> bool {
        let Some(name) = self.known.get_mut(&host) else { return false };
        name.asked = false;
        let before = name.resolution.clone();
        let resolution = match answer {
            Ok(addresses) => {
                name.failures = 0;
                Resolution { addresses, failure: None }
            }
            Err(error) => {
                name.failures += 1;
                let addresses = before.as_ref().map(|resolution| resolution.addresses.clone()).unwrap_or_default();
                Resolution { addresses, failure: Some(error.to_string()) }
            }
        };
        name.due = Instant::now()
            + match name.failures {
                0 => PERIOD,
                1..=EARLY_FAILURES => EARLY,
                _ => FAILING,
            };
        name.resolution = Some(resolution);
        name.resolution != before
    }

    fn resolutions(&self) -> BTreeMap<Host, Resolution> {
        self.known.iter().filter_map(|(host, name)| Some((host.clone(), name.resolution.clone()?))).collect()
    }
}

async fn look_up(host: Host) -> Answer {
    let answer = match timeout(LIMIT, tokio::net::lookup_host((host.as_str(), 0))).await {
        Ok(Ok(addresses)) => usable(addresses),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("the resolver did not answer within {} s", LIMIT.as_secs()))),
    };
    (host, answer)
}

/// Sorted, without repetition, and without addresses that this machine has no route to.
fn usable(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<IpAddr>> {
    let all: BTreeSet<IpAddr> = addresses.take(MAX_ADDRESSES).map(|address| address.ip()).collect();
    let usable: Vec<IpAddr> = all.iter().copied().filter(|ip| ip.is_ipv4() || has_route(*ip)).collect();
    if usable.is_empty() {
        let why =
            if all.is_empty() { "the answer has no address" } else { "the answer has only IPv6 addresses, and this machine has no route to them" };
        return Err(io::Error::other(why));
    }
    Ok(usable)
}

/// Connecting a datagram socket sends nothing; it only asks the routing table.
fn has_route(ip: IpAddr) -> bool {
    UdpSocket::bind("[::]:0").and_then(|socket| socket.connect((ip, 9))).is_ok()
}

#[cfg(test)]
mod tests;
