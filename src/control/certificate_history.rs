//! What became of each certificate's last changes: when the one that is served was taken up, and when and why another
//! was refused. For whoever looks; nothing is decided by it.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use crate::model::{CertificateHistory, CertificateName, Fingerprint, ObjectKind, Report, Severity, Snapshot};

/// By the names of certificates. Holds those that are served or refused now.
#[derive(Debug, Default)]
pub(super) struct Histories(HashMap<String, History>);

#[derive(Debug, Default)]
struct History {
    served: Option<(Fingerprint, SystemTime)>,
    refused: Option<(SystemTime, String)>,
}

impl Histories {
    /// Takes note of what is served.
    pub(super) fn served(&mut self, snapshot: &Snapshot, now: SystemTime) {
        for certificate in &snapshot.certificates {
            let history = self.0.entry(certificate.name.to_string()).or_default();
            let fingerprint = certificate.pair.fingerprint();
            if history.served.is_none_or(|(before, _)| before != fingerprint) {
                history.served = Some((fingerprint, now));
            }
        }
    }

    /// Takes note of what was refused, and forgets certificates that are in no configuration any more.
    pub(super) fn refused(&mut self, report: &Report, snapshot: &Snapshot, now: SystemTime) {
        let refusals: HashMap<&str, &str> = report
            .diagnostics
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .filter_map(|finding| Some((finding.object.as_ref()?, &*finding.message)))
            .filter(|(object, _)| object.kind == ObjectKind::Certificate)
            .map(|(object, message)| (&*object.name, message))
            .collect();
        let served: HashSet<String> = snapshot.certificates.iter().map(|certificate| certificate.name.to_string()).collect();
        self.0.retain(|name, _| refusals.contains_key(&**name) || served.contains(name));
        for (name, why) in refusals {
            let history = self.0.entry(name.to_owned()).or_default();
            // One that goes on is told by its beginning.
            if history.refused.as_ref().is_none_or(|(_, before)| before != why) {
                history.refused = Some((now, why.to_owned()));
            }
        }
    }

    /// That of a certificate.
    pub(super) fn of(&self, name: &CertificateName) -> CertificateHistory {
        let history = self.0.get(&name.to_string());
        CertificateHistory {
            loaded: history.and_then(|history| history.served).map(|(_, at)| at),
            refused: history.and_then(|history| history.refused.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::model::{Diagnostic, Reason};
    use crate::telemetry::fake::certificate;

    fn refusal(why: &str) -> Report {
        Report { diagnostics: vec![Arc::new(Diagnostic::error(Reason::CertificateInvalid, why).about(ObjectKind::Certificate, "shop"))] }
    }

    #[test]
    fn a_certificate_has_the_times_of_its_last_change_and_its_last_refusal() {
        let (mut histories, later) = (Histories::default(), |seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let shop = certificate("shop", &["shop.test"], later(1_000));
        let snapshot = Snapshot { certificates: vec![shop.clone()], ..Snapshot::default() };
        histories.served(&snapshot, later(1));
        histories.served(&snapshot, later(2));
        assert_eq!(histories.of(&shop.name), CertificateHistory { loaded: Some(later(1)), refused: None });

        histories.refused(&refusal("no key"), &snapshot, later(3));
        histories.refused(&refusal("no key"), &snapshot, later(4));
        assert_eq!(histories.of(&shop.name).refused, Some((later(3), "no key".to_owned())));
        histories.refused(&refusal("another key"), &snapshot, later(5));
        histories.refused(&Report::default(), &snapshot, later(6));
        assert_eq!(histories.of(&shop.name).refused, Some((later(5), "another key".to_owned())), "the last one is remembered");

        histories.refused(&Report::default(), &Snapshot::default(), later(7));
        assert!(histories.0.is_empty(), "it is in no configuration any more");
    }
}
