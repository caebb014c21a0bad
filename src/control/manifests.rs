//! The Kubernetes objects that were read, arranged for being looked up by the compile step. What has not changed keeps
//! its identity from one reading to the next, by which the compile step knows what it need not do again.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::kubernetes::{Body, Kind, Manifest, Meta};
use super::yaml::{Files, Span};
use crate::model::{ObjectKind, Place};

/// An object with the file it is from.
#[derive(Debug)]
pub struct ManifestObject {
    /// What it says.
    pub manifest: Manifest,
    /// What its places refer to.
    pub files: Arc<Files>,
}

/// What objects are asked for by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// One object; kinds without namespaces have `default`.
    Object(Kind, Arc<str>, Arc<str>),
    /// Everything in a namespace that makes Pods, or is one.
    Workloads(Arc<str>),
    /// The Endpoints and EndpointSlices of a Service.
    Endpoints(Arc<str>, Arc<str>),
    /// Every IngressClass.
    Classes,
}

/// Objects that one key stands for.
pub type Group = Arc<[Arc<ManifestObject>]>;

/// Every object there is.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The oldest first; without a date by namespace and name, after those with one.
    pub ingresses: Vec<Arc<ManifestObject>>,
    index: HashMap<Key, Group>,
    /// As the source brought them.
    objects: Vec<Arc<ManifestObject>>,
}

impl Manifests {
    /// Takes what is there now. Of several of one kind and name the first counts; the source has said so.
    pub fn replace(&mut self, objects: Vec<Arc<ManifestObject>>) {
        if !self.exchange(&objects) {
            self.arrange(&objects);
        }
        self.objects = objects;
    }

    /// Where objects have been edited, and none has come or gone, the others need not be looked at.
    fn exchange(&mut self, objects: &[Arc<ManifestObject>]) -> bool {
        if objects.len() != self.objects.len() {
            return false;
        }
        let changed = self.objects.iter().zip(objects).filter(|(old, new)| !Arc::ptr_eq(old, new));
        let changed: Vec<_> = changed.map(|(old, new)| (old.clone(), new.clone())).collect();
        let same = |(old, new): &(Arc<ManifestObject>, Arc<ManifestObject>)| {
            age(&old.manifest.meta) == age(&new.manifest.meta) && keys(&old.manifest).eq(keys(&new.manifest))
        };
        if !changed.iter().all(same) {
            return false;
        }
        for (old, new) in changed {
            let other = |object: &Arc<ManifestObject>| if Arc::ptr_eq(object, &old) { new.clone() } else { object.clone() };
            for key in keys(&new.manifest) {
                if let Some(group) = self.index.get_mut(&key) {
                    *group = group.iter().map(other).collect();
                }
            }
            if matches!(new.manifest.body, Body::Ingress(_))
                && let Some(ingress) = self.ingresses.iter_mut().find(|ingress| Arc::ptr_eq(ingress, &old))
            {
                *ingress = new.clone();
            }
        }
        true
    }

    fn arrange(&mut self, objects: &[Arc<ManifestObject>]) {
        let mut groups: HashMap<Key, Vec<Arc<ManifestObject>>> = HashMap::with_capacity(objects.len());
        self.ingresses.clear();
        for object in objects {
            if matches!(object.manifest.body, Body::Ingress(_)) {
                self.ingresses.push(object.clone());
            }
            for key in keys(&object.manifest) {
                groups.entry(key).or_default().push(object.clone());
            }
        }
        self.ingresses.sort_by(|a, b| age(&a.manifest.meta).cmp(&age(&b.manifest.meta)));
        let mut before = std::mem::take(&mut self.index);
        self.index = groups.into_iter().map(|(key, group)| keep(key, group, &mut before)).collect();
    }

    /// What a key stands for.
    pub fn group(&self, key: &Key) -> Option<&Group> {
        self.index.get(key)
    }

    /// One object.
    pub fn object(&self, kind: Kind, namespace: &Arc<str>, name: &str) -> Option<&Arc<ManifestObject>> {
        self.group(&Key::Object(kind, namespace.clone(), name.into()))?.first()
    }

    /// Names of the objects of a kind in a namespace, for texts.
    pub fn names<'m>(&'m self, kind: Kind, namespace: &'m str) -> impl Iterator<Item = &'m str> {
        self.index.keys().filter_map(move |key| match key {
            Key::Object(of, within, name) if *of == kind && &**within == namespace => Some(&**name),
            _ => None,
        })
    }

    /// Every object of a kind.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Arc<ManifestObject>> {
        self.index.iter().filter_map(move |(key, group)| match key {
            Key::Object(of, ..) if *of == kind => group.first(),
            _ => None,
        })
    }
}

/// A group that is made of the same objects stays the same group.
fn keep(key: Key, group: Vec<Arc<ManifestObject>>, before: &mut HashMap<Key, Group>) -> (Key, Group) {
    let same = |old: &Group| old.len() == group.len() && old.iter().zip(&group).all(|(old, new)| Arc::ptr_eq(old, new));
    match before.remove(&key).filter(same) {
        Some(old) => (key, old),
        None => (key, group.into()),
    }
}

fn age(meta: &Meta) -> (bool, Option<&str>, &str, &str) {
    (meta.created.is_none(), meta.created.as_deref(), &meta.namespace, &meta.name)
}

fn keys(manifest: &Manifest) -> impl Iterator<Item = Key> {
    let Meta { namespace, name, .. } = &manifest.meta;
    let own = Key::Object(manifest.body.kind(), namespace.clone(), name.clone());
    let shared = match &manifest.body {
        Body::Workload(_) => Some(Key::Workloads(namespace.clone())),
        Body::Endpoints(set) | Body::EndpointSlice(set) => Some(Key::Endpoints(namespace.clone(), set.service.as_str().into())),
        Body::IngressClass(_) => Some(Key::Classes),
        _ => None,
    };
    std::iter::once(own).chain(shared)
}

impl ManifestObject {
    /// Which object it is, as everything names it.
    pub fn name(&self) -> String {
        format!("{}/{}", self.manifest.meta.namespace, self.manifest.meta.name)
    }

    /// Its kind, as findings have it.
    pub fn kind(&self) -> ObjectKind {
        self.manifest.body.kind().into()
    }

    /// A place in its file.
    pub fn place(&self, span: Span) -> Option<Place> {
        // A key or a certificate in base64 has no word by which a line of it could be told.
        let mut place = self.files.place(span)?;
        if matches!(self.manifest.body, Body::Secret(_)) {
            place.source.clear();
        }
        Some(place)
    }
}
