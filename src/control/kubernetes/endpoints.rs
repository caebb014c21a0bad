//! Endpoints and EndpointSlice: addresses behind a Service, in one shape.

use super::fields::Fields;
use super::object::Meta;
use crate::control::yaml::Node;

/// Addresses behind a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSet {
    /// The Service: the label `kubernetes.io/service-name` of an EndpointSlice, the name of an Endpoints.
    pub service: String,
    /// Addresses that have the same ports.
    pub groups: Vec<EndpointGroup>,
}

/// Addresses that have the same ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointGroup {
    /// Names and numbers.
    pub ports: Vec<(Option<String>, u16)>,
    /// Who has them.
    pub endpoints: Vec<Endpoint>,
}

/// One Pod, or whatever else answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Gets new requests; unknown counts as yes.
    pub ready: bool,
    /// Answers, also while it terminates; unknown means as `ready`.
    pub serving: bool,
    /// Is about to end; unknown counts as no.
    pub terminating: bool,
}

/// The label by which an EndpointSlice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

pub(super) fn read_endpoints(document: &Node, meta: &Meta, fields: &mut Fields) -> EndpointSet {
    let mut groups = Vec::new();
    for subset in fields.list(document, "subsets") {
        let mut endpoints = Vec::new();
        for (key, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in fields.list(subset, key) {
                let addresses: Vec<String> = fields.plain_text(address, "ip").into_iter().collect();
                endpoints.push(Endpoint { addresses, ready, serving: ready, terminating: false });
            }
        }
        groups.push(EndpointGroup { ports: ports(subset, fields), endpoints });
    }
    EndpointSet { service: meta.name.to_string(), groups }
}

pub(super) fn read_slice(document: &Node, meta: &Meta, fields: &mut Fields) -> EndpointSet {
    let mut endpoints = Vec::new();
    for endpoint in fields.list(document, "endpoints") {
        let addresses = fields.located_texts(endpoint, "addresses").into_iter().map(|address| address.value).collect();
        let conditions = fields.mapping(endpoint, "conditions");
        let mut condition = |key: &str| conditions.and_then(|conditions| fields.boolean(conditions, key));
        let ready = condition("ready").unwrap_or(true);
        let serving = condition("serving").unwrap_or(ready);
        endpoints.push(Endpoint { addresses, ready, serving, terminating: condition("terminating").unwrap_or(false) });
    }
    let groups = vec![EndpointGroup { ports: ports(document, fields), endpoints }];
    EndpointSet { service: meta.labels.get(SERVICE_NAME).cloned().unwrap_or_default(), groups }
}

/// A name that is empty is none.
fn ports(node: &Node, fields: &mut Fields) -> Vec<(Option<String>, u16)> {
    let mut ports = Vec::new();
    for port in fields.list(node, "ports") {
        let name = fields.plain_text(port, "name").filter(|name| !name.is_empty());
        ports.extend(fields.port(port, "port").map(|number| (name, number)));
    }
    ports
}
