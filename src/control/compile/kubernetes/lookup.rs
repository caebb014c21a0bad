//! Looking objects up, with a note of everything that was looked for: what an Ingress was translated from holds until
//! one of the answers would be another.

use std::cell::RefCell;
use std::sync::Arc;

use crate::control::kubernetes::{BackendConfig, Body, EndpointSet, FrontendConfig, Kind, Secret, Service, Workload};
use crate::control::manifests::{Group, Key, ManifestObject, Manifests};

/// A view of the objects that remembers what it was asked.
pub(super) struct Lookup<'m> {
    manifests: &'m Manifests,
    asked: RefCell<Vec<(Key, Option<Group>)>>,
}

/// What a translation was made from.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<(Key, Option<Group>)>);

impl Sources {
    /// Whether every answer would be the same now.
    pub(super) fn hold(&self, manifests: &Manifests) -> bool {
        self.0.iter().all(|(key, before)| match (manifests.group(key), before) {
            (None, None) => true,
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (Some(_), None) | (None, Some(_)) => false,
        })
    }
}

/// An object with what it says in its own kind.
#[derive(Debug)]
pub(super) struct Found<'m, T> {
    pub(super) object: &'m Arc<ManifestObject>,
    pub(super) body: &'m T,
}

impl<'m> Lookup<'m> {
    pub(super) fn new(manifests: &'m Manifests) -> Self {
        Self { manifests, asked: RefCell::default() }
    }

    pub(super) fn sources(self) -> Sources {
        Sources(self.asked.into_inner())
    }

    fn group(&self, key: Key) -> &'m [Arc<ManifestObject>] {
        let group = self.manifests.group(&key);
        self.asked.borrow_mut().push((key, group.cloned()));
        group.map_or(&[], |group| group)
    }

    fn object<T>(&self, kind: Kind, namespace: &Arc<str>, name: &str, body: impl Fn(&'m Body) -> Option<&'m T>) -> Option<Found<'m, T>> {
        let object = self.group(Key::Object(kind, namespace.clone(), name.into())).first()?;
        body(&object.manifest.body).map(|body| Found { object, body })
    }

    pub(super) fn service(&self, namespace: &Arc<str>, name: &str) -> Option<Found<'m, Service>> {
        self.object(Kind::Service, namespace, name, |body| if let Body::Service(service) = body { Some(service) } else { None })
    }

    pub(super) fn secret(&self, namespace: &Arc<str>, name: &str) -> Option<Found<'m, Secret>> {
        self.object(Kind::Secret, namespace, name, |body| if let Body::Secret(secret) = body { Some(secret) } else { None })
    }

    pub(super) fn frontend_config(&self, namespace: &Arc<str>, name: &str) -> Option<Found<'m, FrontendConfig>> {
        self.object(Kind::FrontendConfig, namespace, name, |body| if let Body::FrontendConfig(config) = body { Some(config) } else { None })
    }

    pub(super) fn backend_config(&self, namespace: &Arc<str>, name: &str) -> Option<Found<'m, BackendConfig>> {
        self.object(Kind::BackendConfig, namespace, name, |body| if let Body::BackendConfig(config) = body { Some(config) } else { None })
    }

    pub(super) fn endpoints(&self, namespace: &Arc<str>, service: &str) -> impl Iterator<Item = &'m EndpointSet> {
        self.group(Key::Endpoints(namespace.clone(), service.into())).iter().filter_map(|object| match &object.manifest.body {
            Body::Endpoints(set) | Body::EndpointSlice(set) => Some(set),
            _ => None,
        })
    }

    /// The controller that an IngressClass names.
    pub(super) fn controller(&self, class: &str) -> Option<&'m str> {
        self.group(Key::Classes).iter().find_map(|object| match &object.manifest.body {
            Body::IngressClass(found) if &*object.manifest.meta.name == class => Some(found.controller.as_str()),
            _ => None,
        })
    }

    /// What makes Pods in a namespace, the oldest first, which is the order in which the cloud looks at Pods.
    pub(super) fn workloads(&self, namespace: &Arc<str>) -> Vec<Found<'m, Workload>> {
        let group = self.group(Key::Workloads(namespace.clone()));
        let mut workloads: Vec<_> = group
            .iter()
            .filter_map(|object| if let Body::Workload(body) = &object.manifest.body { Some(Found { object, body }) } else { None })
            .collect();
        let age = |found: &Found<'m, Workload>| {
            let meta = &found.object.manifest.meta;
            (meta.created.is_none(), meta.created.clone(), meta.name.clone())
        };
        workloads.sort_by_cached_key(age);
        workloads
    }

    /// Names of a kind that there are, for texts. Not remembered: a text is no reason to translate again.
    pub(super) fn names(&self, kind: Kind, namespace: &'m str) -> impl Iterator<Item = &'m str> {
        self.manifests.names(kind, namespace)
    }
}
