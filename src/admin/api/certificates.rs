//! Certificates: what they are for and until when, and what became of the last change of each.

use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::Views;
use crate::date::{days_until, rfc3339};
use crate::model::{Certificate, CertificateHistory};

/// All of them, in the order of the configuration.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Certificates {
    pub(in crate::admin) certificates: Vec<CertificateView>,
}

/// A certificate that is served.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::admin) struct CertificateView {
    pub(in crate::admin) names: Vec<String>,
    pub(in crate::admin) issuer: String,
    pub(in crate::admin) not_before: String,
    pub(in crate::admin) not_after: String,
    /// Whole days; below 0: it has expired.
    pub(in crate::admin) days_left: i64,
    pub(in crate::admin) key_type: String,
    /// Its directory or file, or the Secret.
    pub(in crate::admin) source: String,
    /// Whether server names get it that no certificate covers.
    pub(in crate::admin) default: bool,
    /// When this very certificate was taken up.
    pub(in crate::admin) loaded: Option<String>,
    pub(in crate::admin) last_refusal: Option<Refusal>,
}

/// A change that was not taken.
#[derive(Serialize, JsonSchema)]
pub(in crate::admin) struct Refusal {
    pub(in crate::admin) time: String,
    pub(in crate::admin) why: String,
}

impl Certificates {
    pub(in crate::admin) fn of(views: &Views) -> Self {
        let (snapshot, now) = (views.control.snapshot(), SystemTime::now());
        let view = |(at, certificate): (usize, &std::sync::Arc<Certificate>)| {
            view(certificate, at == 0, views.control.certificate_history(&certificate.name), now)
        };
        Self { certificates: snapshot.certificates.iter().enumerate().map(view).collect() }
    }
}

fn view(certificate: &Certificate, default: bool, history: CertificateHistory, now: SystemTime) -> CertificateView {
    let facts = certificate.pair.facts();
    CertificateView {
        names: facts.names.iter().map(ToString::to_string).collect(),
        issuer: facts.issuer.clone(),
        not_before: rfc3339(facts.not_before),
        not_after: rfc3339(facts.not_after),
        days_left: days_until(facts.not_after, now),
        key_type: facts.key_type.to_string(),
        source: certificate.name.to_string(),
        default,
        loaded: history.loaded.map(rfc3339),
        last_refusal: history.refused.map(|(time, why)| Refusal { time: rfc3339(time), why }),
    }
}
