//! Whether an Ingress is for this edge, and which behaviour it asks for.

use crate::control::kubernetes::Ingress;
use crate::control::manifests::ManifestObject;
use crate::model::{Behaviour, Diagnostic, ObjectKind, Reason};

use super::lookup::Lookup;
use super::settings::Settings;

/// The controller of IngressClasses that are ours.
const CONTROLLER: &str = "genkan.dev/ingress-controller";
/// The class of the cloud's external load balancer.
const GCE: &str = "gce";
/// Classes of the cloud's other load balancers, which its documentation names.
const OTHER_GCE: [&str; 3] = ["gce-internal", "gce-regional-external", "gce-multi-cluster"];

/// What becomes of an Ingress.
pub(super) struct Selected {
    pub(super) behaviour: Behaviour,
    /// It names no class, or the cloud's: what differs from the cloud is worth a word.
    pub(super) is_cloud: bool,
}

/// `None`: it is for somebody else.
pub(super) fn select(
    object: &ManifestObject,
    ingress: &Ingress,
    settings: &Settings,
    lookup: &Lookup<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Option<Selected> {
    let annotation = ingress.class_annotation.as_ref().filter(|class| !class.value.is_empty());
    let (class, span) = match (annotation, &ingress.class_name) {
        (Some(class), _) | (None, Some(class)) => (Some(class.value.as_str()), class.span),
        (None, None) => (None, object.manifest.span),
    };
    let about = |finding: Diagnostic| finding.about(ObjectKind::Ingress, object.name()).at(object.place(span));
    let is_cloud = class.is_none_or(|class| class == GCE);
    let served = class.is_none_or(|class| settings.classes.iter().any(|known| known == class) || lookup.controller(class) == Some(CONTROLLER));
    if !served && !settings.laptop {
        let class = class.unwrap_or_default();
        let serve = format!("kubernetes.ingressClasses: [gce, genkan, {class}]");
        let help = if OTHER_GCE.contains(&class) {
            format!("the cloud's {class} is another load balancer; to serve it here all the same: {serve}")
        } else {
            format!("to serve it: {serve}")
        };
        findings.push(about(
            Diagnostic::note(Reason::IngressClassIgnored, format!("Ingress {} is of the class \"{class}\", which is not served here", object.name()))
                .help(help),
        ));
        return None;
    }
    if annotation.is_none() && class == Some(GCE) {
        findings.push(about(
            Diagnostic::note(Reason::DifferentInTheCloud, "spec.ingressClassName: gce is honoured here, and ignored by the cloud")
                .help("for the cloud as well, write the annotation kubernetes.io/ingress.class: \"gce\" instead"),
        ));
    }
    let behaviour = if is_cloud { settings.behaviour } else { Behaviour::Genkan };
    Some(Selected { behaviour: own_behaviour(object, ingress, findings).unwrap_or(behaviour), is_cloud })
}

/// What the Ingress says itself.
fn own_behaviour(object: &ManifestObject, ingress: &Ingress, findings: &mut Vec<Diagnostic>) -> Option<Behaviour> {
    let written = ingress.options.behaviour.as_ref()?;
    let known = [Behaviour::Gke, Behaviour::Genkan].into_iter().find(|behaviour| behaviour.as_str() == written.value);
    if known.is_none() {
        findings.push(
            Diagnostic::warning(Reason::InvalidValue, format!("genkan.dev/behaviour: \"{}\" is neither GKE nor Genkan", written.value))
                .about(ObjectKind::Ingress, object.name())
                .at(object.place(written.span))
                .effect("the annotation is not used"),
        );
    }
    known
}
