//! Where the cloud's load balancer and genkan differ for Kubernetes objects, and what each does. One table: explanations
//! name its rows, and the reference prints them.

/// A subject on which the two behaviours differ, or on which people expect that they would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParityRow {
    /// Which.
    pub rule: Parity,
    /// What it is about.
    pub subject: &'static str,
    /// What genkan's own behaviour is.
    pub genkan: &'static str,
    /// What is done for Ingresses that behave as in the cloud.
    pub gke: &'static str,
}

macro_rules! table {
    ($($rule:ident: $subject:literal, $genkan:literal, $gke:literal;)*) => {
        /// A row of [`PARITY`]; its name is its subject.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the row says it")]
        pub enum Parity {
            $($rule),*
        }

        /// Every row.
        pub const PARITY: &[ParityRow] = &[$(*Parity::$rule.row()),*];

        impl Parity {
            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$rule => stringify!($rule)),*
                }
            }

            /// Its row.
            pub const fn row(self) -> &'static ParityRow {
                match self {
                    $(Self::$rule => &ParityRow { rule: Self::$rule, subject: $subject, genkan: $genkan, gke: $gke }),*
                }
            }
        }
    };
}

table! {
    WildcardHost: "a wildcard host", "one label", "several labels";
    ImplementationSpecific: "a path of the type ImplementationSpecific, or of none", "as Prefix",
        "as written: / is the root alone, /foo that path alone, /foo/* what is below it";
    SameHostTwice: "a host twice in one Ingress", "merged", "the later rule replaces the earlier";
    SamePathTwice: "a path twice for a host in one Ingress", "the first wins, and the other is reported",
        "the later wins, and the other is reported";
    SharedHost: "a host in two Ingresses", "the oldest wins (without timestamps by namespace and name), and the loser is told",
        "each Ingress with an address of its own is alone there; on addresses that they share the oldest wins, and the loser is told";
    OwnDefaultBackend: "what no path of a host is for", "the default backend of the Ingress, then that of any other",
        "the default backend of the same Ingress, and none but it";
    CertificateChoice: "which certificate", "by DNS names everywhere; tls[].hosts is only checked against them", "likewise";
    BrokenRule: "a rule that leads nowhere", "it answers 500, the others are served",
        "it answers 502, the others are served (the cloud would refuse the whole Ingress, which is reported)";
    IngressClassName: "spec.ingressClassName: gce", "honoured", "honoured, with a note that the cloud ignores it";
    NoRoute: "what no route is for", "404", "404 with the cloud's text";
    BackendFailures: "no ready endpoint; a backend that fails; one that takes too long", "503; 502; 504", "502, whatever it is";
    HeadTooLarge: "a request head that is too large", "431", "413";
    ProbeSuccess: "a readiness check passes", "with 200 to 399; thresholds are the probe's",
        "with 200 alone; 1 to join and 2 to leave, unless a BackendConfig says otherwise";
    ForwardedFor: "X-Forwarded-For", "replaced by the client's address",
        "replaced by the client's address, a comma, and the address that it connected to";
    CloudTrace: "Via, Proxy-Status, X-Request-Id, Forwarded", "genkan's own", "genkan's own, and X-Cloud-Trace-Context as well";
    TimeoutSec: "timeoutSec of a BackendConfig", "for the answer's head and for the exchange; absent: as configured",
        "for request and answer in all, WebSockets included; absent: 30 s";
    KeepAlive: "how long unused connections of clients are kept", "75 s", "610 s on listeners of Ingresses, unless timeouts.keepAlive is set";
    PlainHttp: "plain HTTP without kubernetes.io/ingress.allow-http", "refused",
        "refused (the cloud would serve it, which is reported); \"true\" serves it, as far as the listener lets it";
    RedirectedHosts: "whose plain HTTP redirectToHttps redirects", "that of hosts that a route or a certificate names; others get 426, because what a client sends is not repeated",
        "likewise, where the cloud redirects every host";
    NoWayIn: "no certificate, and no plain HTTP", "the default certificate; without one it is reported", "likewise";
    HeaderNames: "the case of header names towards HTTP/1.1 backends", "lower case", "lower case (the classic load balancer keeps HTTP/1.1 clients' case; its successor does not)";
    UpstreamKeepAlive: "how long unused connections to backends are kept", "timeouts.keepAlive of the backend, 4 s",
        "likewise, where the cloud has 600 s: a backend that closes first would lose requests";
}
