//! Endpoints and EndpointSlice: addresses behind a Service, in one shape.

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
