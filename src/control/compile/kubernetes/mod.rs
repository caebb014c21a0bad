//! Kubernetes objects to routes, backends, certificates and listeners. Each Ingress is translated by itself (and again
//! only when it or something that it refers to has changed); this file puts them together: who wins where two want the
//! same, which has an address of its own, and what all of them lack.

mod assemble;
mod class;
mod frontend;
mod headers;
mod ingress;
mod lookup;
mod path;
mod probe;
mod service;
mod settings;
mod unused;

use std::sync::Arc;

use foldhash::HashMap;

use crate::control::kubernetes::{Body, Kind};
use crate::control::manifests::{ManifestObject, Manifests};
use crate::model::{Diagnostic, Host};

pub use ingress::Translation;
use lookup::{Lookup, Sources};

pub use assemble::AcceptedIngresses;
pub(super) use assemble::{Assembled, assemble};
pub(super) use frontend::{CertificateRef, CertificateSource};
pub use service::ServiceBackend;
pub use settings::Settings;
pub(super) use unused::report as report_unused;

/// Namespace and name.
type IngressKey = (Arc<str>, Arc<str>);

/// Translates, and remembers what came of it.
#[derive(Debug, Default)]
pub(super) struct Translator {
    settings: Settings,
    known: HashMap<IngressKey, Known>,
}

#[derive(Debug)]
struct Known {
    object: Arc<ManifestObject>,
    sources: Sources,
    outcome: Outcome,
}

/// What became of an Ingress.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    object: Arc<ManifestObject>,
    /// `None`: it is not for this edge.
    translation: Option<Arc<Translation>>,
    /// What was found where it is for somebody else.
    findings: Vec<Arc<Diagnostic>>,
}

impl Translator {
    /// Every Ingress, the oldest first.
    pub(super) fn translate(&mut self, manifests: &Manifests, settings: &Settings) -> Vec<Outcome> {
        if self.settings != *settings {
            self.settings = settings.clone();
            self.known.clear();
        }
        let mut before = std::mem::take(&mut self.known);
        let mut outcomes = Vec::with_capacity(manifests.ingresses.len());
        for object in &manifests.ingresses {
            let meta = &object.manifest.meta;
            let key = (meta.namespace.clone(), meta.name.clone());
            let same = |known: &Known| Arc::ptr_eq(&known.object, object) && known.sources.hold(manifests);
            let known = before.remove(&key).filter(same).unwrap_or_else(|| translate(object, manifests, settings));
            outcomes.push(known.outcome.clone());
            self.known.insert(key, known);
        }
        outcomes
    }
}

fn translate(object: &Arc<ManifestObject>, manifests: &Manifests, settings: &Settings) -> Known {
    let lookup = Lookup::new(manifests);
    let mut findings = Vec::new();
    let mut translation = None;
    if let Body::Ingress(ingress) = &object.manifest.body
        && let Some(selected) = class::select(object, ingress, settings, &lookup, &mut findings)
    {
        let findings = std::mem::take(&mut findings);
        translation = Some(Arc::new(ingress::translate(object, ingress, &selected, settings, &lookup, findings)));
    }
    Known {
        object: object.clone(),
        sources: lookup.sources(),
        outcome: Outcome { object: object.clone(), translation, findings: findings.into_iter().map(Arc::new).collect() },
    }
}

/// Every name in DNS that endpoints of the objects may have.
pub fn names(manifests: &Manifests, settings: &Settings) -> Vec<Host> {
    let mut names: Vec<Host> = settings.names().into_iter().collect();
    for object in manifests.all(Kind::Service) {
        if let Body::Service(service) = &object.manifest.body {
            names.extend(service::names(object, service, settings));
        }
    }
    names
}
