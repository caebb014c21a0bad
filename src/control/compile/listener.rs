//! Listeners: an address can have one of each kind, told apart by the first byte.

use std::collections::HashMap;
use std::sync::Arc;

use crate::control::config::{self, ListenerProtocol};
use crate::control::resources::{Collection, Entry, Object};
use crate::model::{Cleartext, Diagnostic, Listener, ObjectKind, PlainHttp, Protocol, Reason, SHARED, SocketAddress};

/// Which listener has an address already.
type Taken = HashMap<(SocketAddress, bool), String>;

pub(super) fn compile(
    listeners: &Collection<config::Listener>,
    findings: &mut Vec<Diagnostic>,
    accepted: &mut Vec<(String, Arc<Object<config::Listener>>)>,
) -> Vec<Arc<Listener>> {
    super::report_duplicates(listeners, ObjectKind::Listener, findings);
    let mut taken = Taken::new();
    // Listeners that stay where they are keep their addresses, wherever in the list another one claims them.
    for (name, entry) in listeners.iter() {
        if let (Some(latest), Some(before)) = (build(name, &entry.latest), entry.accepted.as_ref().and_then(|object| build(name, object)))
            && key(&latest) == key(&before)
        {
            let _ = take(&latest, &mut taken); // The accepted ones never shared a key.
        }
    }
    let mut compiled = Vec::new();
    for (name, entry) in listeners.iter() {
        let Some((object, listener)) = choose(name, entry, &mut taken, findings) else { continue };
        accepted.push((name.to_owned(), object.clone()));
        compiled.push(Arc::new(listener));
    }
    compiled
}

/// The latest version, or the accepted one where the latest is in the way of another listener.
fn choose<'e>(
    name: &str,
    entry: &'e Entry<config::Listener>,
    taken: &mut Taken,
    findings: &mut Vec<Diagnostic>,
) -> Option<(&'e Arc<Object<config::Listener>>, Listener)> {
    let latest = build(name, &entry.latest)?;
    let holder = match take(&latest, taken) {
        Ok(()) => return Some((&entry.latest, latest)),
        Err(holder) => holder,
    };
    let before = entry.accepted.as_ref().and_then(|object| build(name, object).map(|listener| (object, listener)));
    let before = before.filter(|(_, listener)| take(listener, taken).is_ok());
    let effect = match &before {
        Some((_, listener)) => format!("it stays on {}", listener.address),
        None => "it is not served".to_owned(),
    };
    findings.push(
        Diagnostic::error(Reason::AddressConflict, format!("listener \"{name}\" wants {}, which listener \"{holder}\" has", latest.address))
            .about(ObjectKind::Listener, name)
            .at(entry.latest.place())
            .effect(effect)
            .help("one HTTPS and one HTTP listener may share an address; give any other an address of its own"),
    );
    before
}

/// What only one listener may have.
fn key(listener: &Listener) -> (SocketAddress, bool) {
    (listener.address, listener.is_https())
}

fn take(listener: &Listener, taken: &mut Taken) -> Result<(), String> {
    // The kernel picks another port each time.
    if listener.address.port() == 0 {
        return Ok(());
    }
    match taken.get(&key(listener)) {
        Some(holder) if *holder != listener.name => Err(holder.clone()),
        Some(_) => Ok(()),
        None => {
            taken.insert(key(listener), listener.name.clone());
            Ok(())
        }
    }
}

/// `None`: switched off.
fn build(name: &str, object: &Object<config::Listener>) -> Option<Listener> {
    let spec = &object.spec;
    let plain = spec.plain_http.as_ref().map(|policy| plain_http(policy.value));
    let protocol = match spec.protocol {
        ListenerProtocol::Http => Protocol::Http { plain },
        ListenerProtocol::Https => {
            let cleartext = if plain == Some(PlainHttp::Redirect) { Cleartext::Redirect } else { Cleartext::Reject };
            Protocol::Https { cleartext }
        }
    };
    Some(Listener {
        name: name.to_owned(),
        address: spec.listens_on()?,
        protocol,
        public_port: spec.public_port.map(|port| port.0),
        route_set: SHARED.into(),
        default_certificate: None,
        tls: None,
    })
}

pub(super) fn plain_http(policy: config::PlainHttp) -> PlainHttp {
    match policy {
        config::PlainHttp::Reject => PlainHttp::Reject,
        config::PlainHttp::Redirect => PlainHttp::Redirect,
        config::PlainHttp::Allow => PlainHttp::Allow,
        config::PlainHttp::Close => PlainHttp::Close,
    }
}
