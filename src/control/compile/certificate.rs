//! Certificates: of each the newest pair that can be served. A pair that cannot keeps its last good version serving,
//! and so does a valid one that an expired one would replace.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;

use super::kubernetes::{Assembled, CertificateRef, CertificateSource};
use super::pair::{self, PairProblem};
use crate::control::resources::{CertificateLocation, FileProblem, Found, FoundPair, Resources};
use crate::model::{Certificate, CertificateName, Diagnostic, Fingerprint, HostPattern, KeyPair, ObjectKind, Place, Reason};

/// What is served, and what else is known.
pub(super) struct Certificates {
    pub(super) served: Vec<Arc<Certificate>>,
    pub(super) accepted: BTreeMap<CertificateName, KeyPair>,
    pub(super) next: Option<SystemTime>,
}

/// Pairs by the bytes of their two files.
type Memo = HashMap<Fingerprint, Result<KeyPair, PairProblem>>;

struct Step<'a> {
    resources: &'a Resources,
    now: SystemTime,
    memo: &'a mut Memo,
    used: Memo,
    findings: &'a mut Vec<Diagnostic>,
    certificates: Certificates,
}

/// `references` are those of Kubernetes objects; they come behind those of the configuration.
pub(super) fn compile(
    resources: &Resources,
    references: &[CertificateRef],
    now: SystemTime,
    memo: &mut Memo,
    findings: &mut Vec<Diagnostic>,
) -> Certificates {
    let certificates = Certificates { served: Vec::new(), accepted: BTreeMap::new(), next: None };
    let mut step = Step { resources, now, memo, used: Memo::new(), findings, certificates };
    for object in &resources.certificates {
        step.location(&object.spec.value, object.place());
    }
    for reference in references {
        step.reference(reference);
    }
    *step.memo = step.used;
    step.certificates
}

impl Step<'_> {
    fn reference(&mut self, reference: &CertificateRef) {
        match &reference.source {
            CertificateSource::Location(location) => self.location(location, reference.place.clone()),
            CertificateSource::Given(name, _) if self.certificates.accepted.contains_key(name) => {}
            CertificateSource::Given(name, pair) => self.pair(name, pair, reference.place.clone()),
        }
        let Some(pair) = self.certificates.accepted.get(&reference.name()) else { return };
        for (host, place) in &reference.hosts {
            if covers(pair, host) {
                continue;
            }
            let names: Vec<String> = pair.facts().names.iter().map(ToString::to_string).collect();
            self.findings.push(
                Diagnostic::warning(Reason::CertificateHostMismatch, format!("{} is not for {host}, which spec.tls lists with it", reference.name()))
                    .about(ObjectKind::Ingress, &reference.ingress)
                    .at(place.clone())
                    .why(format!("its names: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
                    .effect("certificates are chosen by their own names, here as in the cloud: clients that ask for the host get another"),
            );
        }
    }

    fn location(&mut self, location: &CertificateLocation, place: Option<Place>) {
        match self.resources.found.get(location) {
            // Not looked at yet: its source has not synced, so `readyz` waits.
            None => self.keep_accepted(location),
            Some(Err(problem)) => {
                self.keep_accepted(location);
                self.unreadable(location, problem, place);
            }
            Some(Ok(pairs)) => {
                if pairs.is_empty() {
                    self.empty(location, place.clone());
                }
                for (name, pair) in pairs {
                    self.pair(name, pair, place.clone());
                }
            }
        }
    }

    fn pair(&mut self, name: &CertificateName, found: &FoundPair, place: Option<Place>) {
        let before = self.resources.accepted_pairs.get(name);
        let (certificate, key) = match (&found.certificate.content, &found.key.content) {
            (Ok(certificate), Ok(key)) => (certificate, key),
            (Err(problem), _) | (_, Err(problem)) => {
                let finding = Diagnostic::error(Reason::CertificateUnreadable, &problem.message);
                return self.refuse(name, finding, problem.help.clone(), place);
            }
        };
        let built = self.build(certificate, key);
        match built {
            Err(problem) => {
                let file = if problem.in_key { &found.key.path } else { &found.certificate.path };
                let finding = Diagnostic::error(problem.reason, format!("{} {}", file.display(), problem.message));
                self.refuse(name, finding, problem.help.map(str::to_owned), place);
            }
            Ok(pair) if self.expired(&pair) && before.is_some_and(|before| *before != pair && !self.expired(before)) => {
                let finding = Diagnostic::error(Reason::CertificateExpired, format!("{} has expired", found.certificate.path.display()))
                    .why(format!("it was valid until {}", date(pair.facts().not_after)));
                self.next_date(pair.facts().not_before);
                self.refuse(name, finding, Some("put the renewed certificate there".to_owned()), place);
            }
            Ok(pair) => {
                self.check_dates(name, &pair, place);
                self.serve(name, pair);
            }
        }
    }

    fn build(&mut self, certificate: &[u8], key: &[u8]) -> Result<KeyPair, PairProblem> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(certificate.len() as u64).to_be_bytes());
        context.update(certificate);
        context.update(key);
        let mut content = [0; 32];
        content.copy_from_slice(context.finish().as_ref());
        let content = Fingerprint(content);
        let built = self.memo.remove(&content).or_else(|| self.used.get(&content).cloned()).unwrap_or_else(|| pair::build(certificate, key));
        self.used.insert(content, built.clone());
        built
    }

    fn serve(&mut self, name: &CertificateName, pair: KeyPair) {
        // Two locations may lead to the same place, as a directory of Secrets and one of them.
        if self.certificates.accepted.contains_key(name) {
            return;
        }
        self.next_date(pair.facts().not_before);
        self.next_date(pair.facts().not_after + Duration::from_secs(1));
        self.certificates.accepted.insert(name.clone(), pair.clone());
        self.certificates.served.push(Arc::new(Certificate { name: name.clone(), pair }));
    }

    fn next_date(&mut self, date: SystemTime) {
        if date > self.now {
            self.certificates.next = Some(self.certificates.next.map_or(date, |next| next.min(date)));
        }
    }

    fn expired(&self, pair: &KeyPair) -> bool {
        pair.facts().not_after < self.now
    }

    /// Reports a pair, and goes on with the one before it.
    fn refuse(&mut self, name: &CertificateName, finding: Diagnostic, help: Option<String>, place: Option<Place>) {
        let before = self.resources.accepted_pairs.get(name).cloned();
        let effect = match &before {
            Some(pair) => format!("the certificate loaded before is still served ({}, until {})", describe(pair), date(pair.facts().not_after)),
            None => "no certificate is served from here".to_owned(),
        };
        let mut finding = finding.about(ObjectKind::Certificate, name.to_string()).at(place).effect(effect);
        finding.help = help;
        self.findings.push(finding);
        if let Some(pair) = before {
            self.check_dates(name, &pair, None);
            self.serve(name, pair);
        }
    }

    /// Serves what was accepted from a location that cannot be looked into now.
    fn keep_accepted(&mut self, location: &CertificateLocation) {
        let kept: Vec<_> = self.resources.accepted_pairs.iter().filter(|(name, _)| location.holds(name)).collect();
        for (name, pair) in kept {
            self.check_dates(name, pair, None);
            self.serve(name, pair.clone());
        }
    }

    fn unreadable(&mut self, location: &CertificateLocation, problem: &FileProblem, place: Option<Place>) {
        let kept = self.resources.accepted_pairs.keys().any(|name| location.holds(name));
        let effect = if kept { "what was loaded from there before is still served" } else { "no certificate is served from there" };
        let mut finding = Diagnostic::error(Reason::InvalidCertificateRef, &problem.message)
            .about(ObjectKind::Certificate, location.to_string())
            .at(place)
            .effect(effect);
        finding.help.clone_from(&problem.help);
        self.findings.push(finding);
    }

    fn empty(&mut self, location: &CertificateLocation, place: Option<Place>) {
        self.findings.push(
            Diagnostic::warning(Reason::NoCertificate, format!("{location} has no Secret in it yet"))
                .about(ObjectKind::Certificate, location.to_string())
                .at(place)
                .help("each of its sub-directories is taken for a Secret with tls.crt and tls.key"),
        );
    }

    fn check_dates(&mut self, name: &CertificateName, pair: &KeyPair, place: Option<Place>) {
        let facts = pair.facts();
        let finding = if self.expired(pair) {
            Diagnostic::warning(Reason::CertificateExpired, format!("the certificate of {name} has expired"))
                .why(format!("it was valid until {}", date(facts.not_after)))
                .help("put the renewed certificate there; it is picked up within a second")
        } else if facts.not_before > self.now {
            Diagnostic::warning(Reason::CertificateNotYetValid, format!("the certificate of {name} is not valid before {}", date(facts.not_before)))
                .help("compare this machine's clock with the date")
        } else {
            return;
        };
        self.findings.push(finding.about(ObjectKind::Certificate, name.to_string()).at(place).effect("it is served, and clients will refuse it"));
    }
}

/// Whether a host, or a wildcard, is among the names of a pair.
fn covers(pair: &KeyPair, host: &str) -> bool {
    match HostPattern::parse(host) {
        Ok(HostPattern::Exact(host)) => pair.covers(&host),
        Ok(pattern) => pair.facts().names.contains(&pattern),
        // What is no host was reported with the rule that has it.
        Err(_) => true,
    }
}

/// Reports that nothing can be served, and routed hosts that no certificate covers.
pub(super) fn check_names(certificates: &Certificates, resources: &Resources, findings: &mut Vec<Diagnostic>) {
    if resources.settings.kubernetes.surroundings.laptop {
        return;
    }
    if certificates.served.is_empty() {
        let mut finding = Diagnostic::error(Reason::NoCertificate, "there is no certificate to serve").effect("every TLS handshake is refused");
        if resources.certificates.is_empty() {
            finding = finding.help("certificates: [{ secret: /etc/genkan/tls }], a directory with tls.crt and tls.key");
        }
        findings.push(finding);
        return;
    }
    let mut told = BTreeSet::new();
    for (name, entry) in resources.routes.iter() {
        for host in &entry.latest.spec.hostnames {
            let covered = |pair: &KeyPair| match &host.0 {
                HostPattern::Exact(host) => pair.covers(host),
                HostPattern::Wildcard(parent) | HostPattern::Deep(parent) => pair.facts().names.contains(&HostPattern::Wildcard(parent.clone())),
            };
            if certificates.served.iter().any(|certificate| covered(&certificate.pair)) || !told.insert(&host.0) {
                continue;
            }
            if told.len() > MAX_UNCOVERED {
                return;
            }
            let mut finding = Diagnostic::warning(Reason::CertificateHostMismatch, format!("no certificate covers {}", host.0))
                .about(ObjectKind::Route, name)
                .at(entry.latest.files.place(host.span))
                .effect("clients that ask for it get another certificate, or a refusal")
                .help(format!("the certificates cover: {}", covered_names(certificates)));
            if resources.accepted_pairs.values().any(covered) {
                finding = finding.why("the certificate loaded before covered it; the new one does not");
            }
            findings.push(finding);
        }
    }
}

/// Reports Ingresses that no client can reach, and hosts of theirs that no certificate is for.
pub(super) fn check_ingresses(certificates: &Certificates, manifests: &Assembled, findings: &mut Vec<Diagnostic>) {
    if certificates.served.is_empty() {
        findings.extend(manifests.https_alone.iter().take(MAX_UNCOVERED).map(|ingress| {
            Diagnostic::error(
                Reason::NoWayIn,
                format!("nothing leads to Ingress {}: plain HTTP is not served, and there is no certificate", ingress.name()),
            )
            .about(ObjectKind::Ingress, ingress.name())
            .at(ingress.place(ingress.manifest.span))
            .why("the cloud: invalid configuration: both HTTP and HTTPS are disabled")
            .help("give it a certificate: spec.tls with a Secret, or --secret; or allow plain HTTP: kubernetes.io/ingress.allow-http: \"true\"")
        }));
        return;
    }
    let mut told: BTreeSet<&HostPattern> = BTreeSet::new();
    for route in &manifests.routes {
        for host in &route.matches.hosts {
            let name = host.to_string().replacen("**", "*", 1);
            let uncovered = !certificates.served.iter().any(|certificate| covers(&certificate.pair, &name));
            if !uncovered || told.len() >= MAX_UNCOVERED || !told.insert(host) {
                continue;
            }
            let origin = manifests.origins.get(&route.name).cloned().unwrap_or_default();
            let mut finding = Diagnostic::warning(Reason::CertificateHostMismatch, format!("no certificate covers {name}"))
                .at(origin.place)
                .effect("clients that ask for it get another certificate, or a refusal")
                .help(format!("the certificates cover: {}", covered_names(certificates)));
            if let Some((kind, object)) = origin.object {
                finding = finding.about(kind, object);
            }
            findings.push(finding);
        }
    }
}

/// More of the same say nothing new.
const MAX_UNCOVERED: usize = 50;

fn covered_names(certificates: &Certificates) -> String {
    let mut told = BTreeSet::new();
    let each = certificates.served.iter().flat_map(|c| &c.pair.facts().names).filter(|name| told.insert(*name));
    let names: Vec<String> = each.take(10).map(ToString::to_string).collect();
    if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") }
}

fn describe(pair: &KeyPair) -> String {
    pair.facts().names.first().map_or_else(|| "without a name".to_owned(), ToString::to_string)
}

/// The day, as certificates are talked about.
fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

impl CertificateLocation {
    /// Whether a certificate of this name is from here.
    fn holds(&self, name: &CertificateName) -> bool {
        match self {
            Self::Secret(directory) => name.0 == *directory,
            Self::Secrets(directory) => name.0.parent() == Some(directory),
            Self::Files { certificate, .. } => name.0 == *certificate,
        }
    }
}

impl std::fmt::Display for CertificateLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(path) | Self::Secrets(path) | Self::Files { certificate: path, .. } => path.display().fmt(f),
        }
    }
}

/// What a source says of a location that it has looked at.
impl CertificateLocation {
    /// An answer with a single pair.
    pub fn single(&self, pair: FoundPair) -> Found {
        Ok(BTreeMap::from([(self.single_name(), pair)]))
    }

    /// What the pair is called, where there is one alone.
    pub fn single_name(&self) -> CertificateName {
        match self {
            Self::Secret(path) | Self::Secrets(path) | Self::Files { certificate: path, .. } => CertificateName(path.clone()),
        }
    }
}
