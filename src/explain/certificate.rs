//! Which certificate a handshake gets, and why this one.

use super::{Asked, trace};
use crate::model::{Certificate, Host, HostPattern, KeyPair, Listener, Snapshot, UnknownServerName};
use crate::route::CertificateTable;

/// What a client is served that can verify everything.
pub(super) fn choose(snapshot: &Snapshot, listener: &Listener, asked: &Asked) -> trace::Certificate {
    let name = asked.asked_name();
    let covering = name.and_then(|name| {
        CertificateTable::build(&snapshot.certificates)
            .find(Some(name), UnknownServerName::Refuse, |_| true)
            .map(|pair| (pair.clone(), covers(pair, name)))
    });
    if let Some((pair, why)) = covering {
        return served(snapshot, &pair, why);
    }
    let refuses = name.is_some() && snapshot.unknown_server_name == UnknownServerName::Refuse;
    let own = listener.default_certificate.as_ref().and_then(|name| snapshot.certificates.iter().find(|certificate| certificate.name == *name));
    let default = own.or(snapshot.certificates.first());
    let asked = name.map_or_else(|| "no name was asked for".to_owned(), |name| format!("no certificate is for {name}"));
    match default {
        _ if snapshot.localhost_aliases && name.is_some() => nothing(format!("{asked}: the local CA makes one when it is asked for"), false),
        Some(_) if refuses => nothing(format!("{asked}, and unknownServerName is Refuse"), true),
        Some(certificate) => served(
            snapshot,
            &certificate.pair,
            format!("{asked}: the {} is the default", if own.is_some() { "Ingress' first" } else { "first of all" }),
        ),
        None => nothing("there is no certificate at all".to_owned(), true),
    }
}

fn nothing(why: String, refused: bool) -> trace::Certificate {
    trace::Certificate { name: None, names: Vec::new(), why, refused }
}

fn covers(pair: &KeyPair, name: &str) -> String {
    let exact = Host::parse(name).is_ok_and(|host| pair.facts().names.contains(&HostPattern::Exact(host)));
    if exact { format!("it names {name}") } else { format!("its wildcard covers {name}") }
}

fn served(snapshot: &Snapshot, pair: &KeyPair, why: String) -> trace::Certificate {
    let certificate = snapshot.certificates.iter().find(|certificate: &&std::sync::Arc<Certificate>| certificate.pair == *pair);
    trace::Certificate {
        name: certificate.map(|certificate| certificate.name.to_string()),
        names: pair.facts().names.iter().map(ToString::to_string).collect(),
        why,
        refused: false,
    }
}
