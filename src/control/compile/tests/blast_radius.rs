//! Blast radius one, as a property: what is broken changes nothing else, and memoised is the same as fresh.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::SystemTime;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{configure, put};
use crate::control::compile::{Compiled, Compiler, Defaults};
use crate::control::resources::Resources;

/// A configuration in pieces: a name and the text of each object.
#[derive(Clone, Debug, Default)]
struct Pieces {
    listeners: Vec<(String, String)>,
    routes: Vec<(String, String)>,
    backends: Vec<(String, String)>,
    /// The directory, and which of the pairs below its two files are from.
    certificates: Vec<(String, [usize; 2])>,
}

/// Hosts, path, and backends with weights.
type Rule = (Vec<usize>, usize, Vec<(Index, u32)>);

static PAIRS: LazyLock<Vec<[String; 2]>> = LazyLock::new(|| {
    let pair = |n: usize| {
        let made = rcgen::generate_simple_self_signed([format!("h{n}.test")]).unwrap();
        [made.cert.pem(), made.signing_key.serialize_pem()]
    };
    (0..4).map(pair).collect()
});

/// What is done to one object.
#[derive(Clone, Debug)]
enum Harm {
    AddRoute,
    RepeatRoute(Index),
    BreakRoute(Index),
    AddBackend,
    RepeatBackend(Index),
    BreakBackend(Index),
    AddListener(Index),
    RepeatListener(Index),
    MoveListener(Index, Index),
    AddCertificate,
    BreakCertificate(Index),
    MismatchCertificate(Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    let index = any::<Index>;
    prop_oneof![
        Just(Harm::AddRoute),
        index().prop_map(Harm::RepeatRoute),
        index().prop_map(Harm::BreakRoute),
        Just(Harm::AddBackend),
        index().prop_map(Harm::RepeatBackend),
        index().prop_map(Harm::BreakBackend),
        index().prop_map(Harm::AddListener),
        index().prop_map(Harm::RepeatListener),
        (index(), index()).prop_map(|(from, to)| Harm::MoveListener(from, to)),
        Just(Harm::AddCertificate),
        index().prop_map(Harm::BreakCertificate),
        index().prop_map(Harm::MismatchCertificate),
    ]
}

fn pieces() -> impl Strategy<Value = Pieces> {
    let options = prop::sample::select(vec!["", ", plainHttp: Redirect", ", publicPort: 443"]);
    let route = (prop::collection::vec(0..4_usize, 0..3), 0..3_usize, prop::collection::vec((any::<Index>(), 0..5_u32), 1..4));
    let listeners = prop::collection::vec((any::<bool>(), options), 1..5);
    (listeners, prop::collection::vec(route, 1..6), prop::collection::vec(1..4_usize, 1..5), 1..4_usize).prop_map(
        |(listeners, routes, backends, certificates)| {
            let listener = |(n, (https, options)): (usize, (bool, &str))| {
                let protocol = if https { "HTTPS" } else { "HTTP" };
                (format!("l{n}"), format!("{{ name: l{n}, address: {}, protocol: {protocol}{options} }}", 8000 + n))
            };
            let endpoints = |n: usize, count: usize| (0..count).map(|e| format!("\"10.0.{n}.{e}:80\"")).collect::<Vec<_>>().join(", ");
            let names: Vec<String> = (0..backends.len()).map(|n| format!("b{n}")).collect();
            let route = |(n, (hosts, path, targets)): (usize, Rule)| {
                let hosts: Vec<String> = hosts.into_iter().map(|host| format!("h{host}.test")).collect();
                let targets: Vec<String> =
                    targets.iter().map(|(backend, weight)| format!("{{ name: {}, weight: {weight} }}", backend.get(&names))).collect();
                let text = format!("{{ name: r{n}, hostnames: [{}], path: /p{path}, backends: [{}] }}", hosts.join(", "), targets.join(", "));
                (format!("r{n}"), text)
            };
            Pieces {
                listeners: listeners.into_iter().enumerate().map(listener).collect(),
                routes: routes.into_iter().enumerate().map(route).collect(),
                backends: backends
                    .into_iter()
                    .enumerate()
                    .map(|(n, count)| (format!("b{n}"), format!("{{ name: b{n}, endpoints: [{}] }}", endpoints(n, count))))
                    .collect(),
                certificates: (0..certificates).map(|n| (format!("/certs/{n}"), [n, n])).collect(),
            }
        },
    )
}

impl Pieces {
    /// Harms one object, and returns the name of what may now be another: the object itself, if it was there before
    /// and has no version to go back to.
    fn harm(&mut self, harm: &Harm) -> Option<String> {
        match harm {
            Harm::AddRoute => self.routes.insert(0, ("new".to_owned(), "{ name: new, path: /p0, backend: nowhere }".to_owned())),
            Harm::RepeatRoute(index) => {
                let name = index.get(&self.routes).0.clone();
                self.routes.push((name.clone(), format!("{{ name: {name}, path: /elsewhere, backend: b0 }}")));
            }
            Harm::BreakRoute(index) => {
                let at = index.index(self.routes.len());
                let name = self.routes[at].0.clone();
                self.routes[at].1 = format!("{{ name: {name}, path: /elsewhere, backend: nowhere }}");
            }
            Harm::AddBackend => self.backends.insert(0, ("new".to_owned(), "{ name: new, endpoints: [\"unresolved.test:1\"] }".to_owned())),
            Harm::RepeatBackend(index) => {
                let name = index.get(&self.backends).0.clone();
                self.backends.push((name.clone(), format!("{{ name: {name} }}")));
            }
            Harm::BreakBackend(index) => {
                let at = index.index(self.backends.len());
                let name = self.backends[at].0.clone();
                self.backends[at].1 = format!("{{ name: {name} }}");
                return Some(name);
            }
            Harm::AddListener(index) => {
                let text = index.get(&self.listeners).1.replacen("name: l", "name: new", 1);
                self.listeners.insert(0, ("new".to_owned(), text));
            }
            Harm::RepeatListener(index) => {
                let name = index.get(&self.listeners).0.clone();
                self.listeners.push((name.clone(), format!("{{ name: {name}, address: 9999 }}")));
            }
            Harm::MoveListener(from, to) => {
                let (from, to) = (from.index(self.listeners.len()), to.index(self.listeners.len()));
                let name = self.listeners[from].0.clone();
                // A repeated one has the name of another place.
                let (other, text) = &self.listeners[to];
                self.listeners[from].1 = text.replace(other.as_str(), &name);
                // Without a conflict it is no harm, but a change.
                return Some(name);
            }
            Harm::AddCertificate => self.certificates.insert(0, ("/certs/new".to_owned(), [usize::MAX; 2])),
            Harm::BreakCertificate(index) => {
                let at = index.index(self.certificates.len());
                self.certificates[at].1 = [usize::MAX; 2];
            }
            Harm::MismatchCertificate(index) => {
                let at = index.index(self.certificates.len());
                self.certificates[at].1[1] = 3;
            }
        }
        None
    }

    fn apply(&self, resources: &mut Resources) {
        let list = |objects: &[(String, String)]| objects.iter().map(|(_, text)| format!("  - {text}\n")).collect::<String>();
        let secrets: String = self.certificates.iter().map(|(directory, _)| format!("  - {{ secret: {directory} }}\n")).collect();
        let text = format!(
            "listeners:\n{}routes:\n{}backends:\n{}certificates:\n{secrets}",
            list(&self.listeners),
            list(&self.routes),
            list(&self.backends)
        );
        configure(resources, &text);
        for (directory, [certificate, key]) in &self.certificates {
            let file = |index: &usize, kind: usize| PAIRS.get(*index).map_or("garbage", |pair| &pair[kind]).to_owned();
            put(resources, directory, file(certificate, 0), file(key, 1));
        }
    }
}

/// Every compiled object by kind and name, as it prints.
fn objects(compiled: &Compiled) -> BTreeMap<(&'static str, String), String> {
    let snapshot = &compiled.snapshot;
    let mut objects = BTreeMap::new();
    objects.extend(snapshot.listeners.iter().map(|object| (("listener", object.name.clone()), format!("{object:?}"))));
    objects.extend(snapshot.routes().map(|object| (("route", object.name.to_string()), format!("{object:?}"))));
    objects.extend(snapshot.backends.iter().map(|object| (("backend", object.name.clone()), format!("{object:?}"))));
    objects.extend(snapshot.certificates.iter().map(|object| (("certificate", object.name.to_string()), format!("{object:?}"))));
    objects
}

proptest! {
    #[test]
    fn a_broken_object_costs_only_itself(pieces in pieces(), harms in prop::collection::vec(harm(), 1..4)) {
        let (mut resources, mut compiler, now) = (Resources::default(), Compiler::new(Defaults::default()), SystemTime::now());
        pieces.apply(&mut resources);
        let first = compiler.compile(&resources, now);
        let before = objects(&first);
        resources.promote(first.accepted);

        let mut pieces = pieces;
        let mut changed = Vec::new();
        for harm in &harms {
            changed.extend(pieces.harm(harm));
            pieces.apply(&mut resources);
            let compiled = compiler.compile(&resources, now);
            let after = objects(&compiled);
            for (object, value) in &before {
                if !changed.contains(&object.1) {
                    prop_assert_eq!(after.get(object), Some(value), "{:?} after {:?}", object, harm);
                }
            }
            let fresh = Compiler::new(Defaults::default()).compile(&resources, now);
            prop_assert_eq!(&fresh.snapshot, &compiled.snapshot);
            prop_assert_eq!(&fresh.report, &compiled.report);
            prop_assert_eq!(fresh.next, compiled.next);
            resources.promote(compiled.accepted);
        }
    }
}
