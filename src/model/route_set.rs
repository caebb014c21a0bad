//! Routes that are chosen among together: what the cloud calls a URL map. Everything that shares an address shares
//! one; an Ingress with an address of its own has one of its own.

use std::sync::Arc;

use super::{Host, Route};

/// The routes of a way in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteSet {
    /// [`SHARED`], or `NAMESPACE/NAME` of the Ingress whose own it is.
    pub name: Arc<str>,
    /// In the order of the configuration, which decides between routes that are equally specific.
    pub routes: Vec<Arc<Route>>,
    /// Where requests go that no route is for; absent: 404. A route of its own, for everything.
    pub default_route: Option<Arc<Route>>,
    /// How requests are answered that no route is for.
    pub behaviour: Behaviour,
    /// A host by which it is reached on any listener.
    pub alias: Option<Alias>,
}

/// The name of the set of every listener that has no other.
pub const SHARED: &str = "";

/// A host that leads to a set, whatever listener the request came in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// As the client names it.
    pub host: Host,
    /// The host that the request is routed and forwarded as; `None`: the alias itself.
    pub stands_for: Option<Host>,
}

/// Whose answers a client gets where the cloud's load balancer and genkan differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Behaviour {
    /// Ours.
    #[default]
    Genkan,
    /// Those of GKE Ingress with the classic Application Load Balancer.
    Gke,
}

impl Behaviour {
    /// As written in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Genkan => "Genkan",
            Self::Gke => "GKE",
        }
    }
}

impl RouteSet {
    /// Every route, the default one last.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.iter().chain(&self.default_route)
    }
}
