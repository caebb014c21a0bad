//! What an explanation says, in the form that programs get.

use schemars::JsonSchema;
use serde::Serialize;

use super::Asked;
use crate::model::Parity;

/// Everything that was decided about a request, in the order in which it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Where it comes in.
    pub listener: Option<Listener>,
    /// What the handshake is served.
    pub certificate: Option<Certificate>,
    /// The host that it is taken for, where that is another.
    pub alias: Option<String>,
    /// Whose routes it takes: empty for those that all share, else an Ingress.
    pub route_set: String,
    /// How what no route is for is answered.
    pub behaviour: &'static str,
    /// Every route of its host, and what became of it.
    pub candidates: Vec<Candidate>,
    /// How many routes are for other hosts.
    pub others: usize,
    /// The route that it takes.
    pub route: Option<Won>,
    /// Who backends are told that the client is.
    pub client_address: Option<ClientAddress>,
    /// The cloud's rules that decided something about the request, beside those of its route.
    pub parity: Vec<Rule>,
    /// Where it may go.
    pub backends: Vec<Backend>,
    /// What comes of it.
    pub outcome: Outcome,
}

/// A rule of the cloud's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The word for it.
    pub rule: &'static str,
    /// What it is about.
    pub subject: &'static str,
    /// What is done there.
    pub text: &'static str,
}

impl From<Parity> for Rule {
    fn from(parity: Parity) -> Self {
        let row = parity.row();
        Self { rule: parity.as_str(), subject: row.subject, text: row.gke }
    }
}

/// A listener, and why it is this one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Why.
    pub why: String,
}

/// A certificate, and why it is this one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Where it comes from; absent: there is none.
    pub name: Option<String>,
    /// What it is for.
    pub names: Vec<String>,
    /// Why.
    pub why: String,
    /// The handshake is refused.
    #[serde(skip)]
    pub refused: bool,
}

/// A route, and what became of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its name.
    pub route: String,
    /// What it is for.
    pub matches: String,
    /// The request takes it.
    pub won: bool,
    /// The field on which it lost, or that nothing was more specific.
    pub why: String,
    /// Where it is written.
    pub place: Option<String>,
}

/// The route that a request takes.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Won {
    /// Its name.
    pub name: String,
    /// What it was made of.
    pub object: Option<String>,
    /// Where it is written.
    pub place: Option<String>,
    /// Whose answers clients get.
    pub behaviour: &'static str,
    /// The cloud's rules that decided something.
    pub parity: Vec<Rule>,
    /// What is changed on the way.
    pub filters: Vec<String>,
    /// How long it may take; absent: as long as it likes.
    pub timeout_seconds: Option<f64>,
    /// Which share of its exchanges is in the access log.
    pub logged_share: f64,
    /// Why it leads nowhere.
    pub broken: Option<String>,
}

/// How the client's address is derived.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientAddress {
    /// The address, where it is known.
    pub address: Option<String>,
    /// How it is known.
    pub why: String,
    /// What backends are told.
    pub forwarded_for: String,
}

/// A backend.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Share of the requests.
    pub weight: u32,
    /// How an endpoint is picked.
    pub load_balancing: String,
    /// How it is asked whether it is ready.
    pub probe: String,
    /// How long requests go on at an endpoint that has left; absent: until they end.
    pub draining_seconds: Option<u64>,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Where it is.
    pub address: String,
    /// `ready`, `not_ready` or `unknown`.
    pub state: String,
    /// Why.
    pub reason: String,
}

/// What comes of a request.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The status where the answer is ours.
    pub status: Option<u16>,
    /// A word for it, as in logs and metrics.
    pub reason: String,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The backends that it may go to.
    pub backends: Vec<String>,
    /// In a sentence.
    pub text: String,
}

impl Trace {
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            method: asked.method.to_string(),
            url: asked.url(),
            listener: None,
            certificate: None,
            alias: None,
            route_set: String::new(),
            behaviour: "Genkan",
            candidates: Vec::new(),
            others: 0,
            route: None,
            client_address: None,
            parity: Vec::new(),
            backends: Vec::new(),
            outcome: Outcome {
                status: None,
                reason: "no_listener".to_owned(),
                location: None,
                backends: Vec::new(),
                text: "nothing listens there".to_owned(),
            },
        }
    }
}

impl Outcome {
    /// An answer of ours.
    pub(super) fn ours(status: u16, reason: &str, text: String) -> Self {
        Self { status: Some(status), reason: reason.to_owned(), location: None, backends: Vec::new(), text }
    }

    pub(super) fn redirect(status: u16, location: String) -> Self {
        let text = format!("redirected to {location}");
        Self { location: Some(location), ..Self::ours(status, "redirect", text) }
    }

    pub(super) fn refused_handshake() -> Self {
        let text = "the handshake is refused: there is no certificate for the name".to_owned();
        Self { status: None, reason: "handshake_refused".to_owned(), location: None, backends: Vec::new(), text }
    }
}
