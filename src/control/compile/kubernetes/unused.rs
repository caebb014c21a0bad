//! Places that somebody has named and no Ingress asks for, where one asks for something that is written nearly the same.
//! Others may be for manifests that are not there today. What is missing is told in `assemble`.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::config::{Namespaced, ServiceName};
use crate::control::kubernetes::{Body, Ingress, IngressBackend, Kind, PortRef};
use crate::control::manifests::Manifests;
use crate::control::yaml::closest;
use crate::model::{Diagnostic, ObjectKind, Reason};

use super::settings::Settings;

/// Names and ports that Ingresses ask for.
#[derive(Default)]
struct Asked<'m> {
    services: BTreeMap<(&'m str, &'m str), BTreeSet<String>>,
    secrets: BTreeSet<(&'m str, &'m str)>,
}

/// Reports what is mapped for nobody.
pub(in crate::control::compile) fn report(manifests: &Manifests, settings: &Settings, findings: &mut Vec<Diagnostic>) {
    if manifests.ingresses.is_empty() || settings.services.is_empty() && settings.secrets.is_empty() {
        return;
    }
    let asked = Asked::by(manifests);
    for name in settings.services.keys().filter(|name| !asked.has_service(name, manifests)) {
        let known = asked.services.keys().filter(|(namespace, _)| *namespace == name.namespace).map(|(_, service)| *service);
        let ports = asked.services.get(&(name.namespace.as_str(), name.name.as_str()));
        let help = match ports {
            Some(ports) => Some(format!("they ask for its port {}", ports.iter().map(String::as_str).collect::<Vec<_>>().join(", "))),
            None => closest(&name.name, known).map(|meant| format!("did you mean \"{meant}\"?")),
        };
        findings.extend(help.map(|help| unused(ObjectKind::Service, name.to_string(), help)));
    }
    for Namespaced { namespace, name } in
        settings.secrets.keys().filter(|name| !asked.secrets.contains(&(name.namespace.as_str(), name.name.as_str())))
    {
        let known = asked.secrets.iter().filter(|(within, _)| within == namespace).map(|(_, secret)| *secret);
        let help = closest(name, known).map(|meant| format!("did you mean \"{meant}\"?"));
        findings.extend(help.map(|help| unused(ObjectKind::Secret, format!("{namespace}/{name}"), help)));
    }
}

fn unused(kind: ObjectKind, name: String, help: String) -> Diagnostic {
    let message = format!("no Ingress asks for {} {name}, which is mapped", kind.as_str());
    Diagnostic::warning(Reason::NotApplied, message).about(kind, name).effect("the mapping is not used").help(help)
}

impl<'m> Asked<'m> {
    fn by(manifests: &'m Manifests) -> Self {
        let mut asked = Self::default();
        for object in &manifests.ingresses {
            let Body::Ingress(ingress) = &object.manifest.body else { continue };
            let namespace: &str = &object.manifest.meta.namespace;
            for (name, port) in backends(ingress) {
                let ports = asked.services.entry((namespace, name)).or_default();
                ports.extend(port.map(ToString::to_string));
            }
            asked.secrets.extend(ingress.tls.iter().filter_map(|tls| Some((namespace, tls.value.secret.as_ref()?.value.as_str()))));
        }
        asked
    }

    /// A port may be asked for by its number and mapped by its name, or the other way round.
    fn has_service(&self, mapped: &ServiceName, manifests: &Manifests) -> bool {
        let Some(ports) = self.services.get(&(mapped.namespace.as_str(), mapped.name.as_str())) else { return false };
        let Some(port) = &mapped.port else { return true };
        if ports.contains(port) {
            return true;
        }
        let service = manifests.object(Kind::Service, &mapped.namespace.as_str().into(), &mapped.name);
        let Some(Body::Service(service)) = service.map(|object| &object.manifest.body) else { return false };
        let same = service.ports.iter().find(|known| known.is_called(port));
        same.is_some_and(|known| ports.iter().any(|asked| known.is_called(asked)))
    }
}

fn backends(ingress: &Ingress) -> impl Iterator<Item = (&str, Option<&PortRef>)> {
    let of_paths = ingress.rules.iter().flat_map(|rule| rule.value.paths.iter().flatten()).filter_map(|path| path.value.backend.as_ref());
    ingress.default_backend.iter().chain(of_paths).filter_map(|backend| match &backend.value {
        IngressBackend::Service { name, port } => Some((name.as_str(), port.as_ref())),
        IngressBackend::Resource(_) => None,
    })
}
