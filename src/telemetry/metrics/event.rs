//! What the proxy tells the metrics: one value an exchange, one a handshake, one for each thing that happens to a
//! connection. The words they are printed as are here too; they are part of the outside contract.

use std::time::Duration;

use http::{Method, StatusCode, Version};

use super::Label;

/// One exchange, when it has ended.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeSample<'a> {
    /// Where it came in.
    pub listener: Label,
    /// What it was routed by; [`Label::NONE`]: no route.
    pub route: Label,
    /// Who was to answer; [`Label::NONE`]: nobody was asked.
    pub backend: Label,
    /// Of the request.
    pub method: &'a Method,
    /// Of the request.
    pub protocol: Version,
    /// Of the answer.
    pub status: u16,
    /// Whether the answer is the backend's, not ours.
    pub from_backend: bool,
    /// Why the answer is ours, or why it was cut off. A word of a closed list.
    pub reason: Option<&'static str>,
    /// What the cloud's load balancer would say of it, where clients are to see that. A word of a closed list.
    pub status_details: Option<&'static str>,
    /// From the first byte of the request to the last of the answer.
    pub duration: Duration,
    /// From sending the request to the head of a backend's answer.
    pub first_byte: Option<Duration>,
    /// Of the request's body.
    pub bytes_in: u64,
    /// Of the answer's body.
    pub bytes_out: u64,
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeOutcome {
    /// With a connection.
    Complete {
        /// TLS 1.3, else 1.2.
        tls13: bool,
        /// From a ticket.
        resumed: bool,
    },
    /// Without one.
    Failed(HandshakeFailure),
}

/// Why a TLS handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It took too long.
    TimedOut,
    /// The client closed or reset the connection.
    ClientLeft,
    /// What the client sent, or could agree on, is not TLS as we speak it.
    Protocol,
    /// No certificate covers the name, and such names are refused.
    UnknownServerName,
    /// There is none that this client could verify.
    NoCertificate,
    /// Too many handshakes that came later wait for their turn.
    Overloaded,
    /// The client does not trust the certificate, or it is for another name.
    CertificateRefused,
}

/// What happened to a connection outside of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// A request that could not be read as one.
    BadRequest,
    /// A request head took too long.
    HeadTimedOut,
    /// The client did not take what it was sent.
    WriteStalled,
    /// Cleartext HTTP where TLS is expected.
    PlainHttpOnTls,
    /// TLS where cleartext is expected.
    TlsOnPlain,
    /// Refused: too many connections.
    LimitReached,
    /// Refused: too many from this client.
    ClientLimitReached,
    /// The kernel had none to give.
    AcceptFailed,
    /// The code that served it panicked.
    Panicked,
    /// Asked to end because of its age.
    Aged,
    /// HTTP/2 or framing broken by the client.
    ProtocolError,
    /// Idle for too long.
    IdleTimedOut,
    /// Cut off, at the end of the drain or by the client.
    Aborted,
}

impl HandshakeOutcome {
    /// Every outcome there is.
    pub(super) const ALL: [Self; 11] = [
        Self::Complete { tls13: true, resumed: false },
        Self::Complete { tls13: true, resumed: true },
        Self::Complete { tls13: false, resumed: false },
        Self::Complete { tls13: false, resumed: true },
        Self::Failed(HandshakeFailure::TimedOut),
        Self::Failed(HandshakeFailure::ClientLeft),
        Self::Failed(HandshakeFailure::Protocol),
        Self::Failed(HandshakeFailure::UnknownServerName),
        Self::Failed(HandshakeFailure::NoCertificate),
        Self::Failed(HandshakeFailure::Overloaded),
        Self::Failed(HandshakeFailure::CertificateRefused),
    ];

    /// Its place in [`Self::ALL`].
    pub(super) fn index(self) -> usize {
        match self {
            Self::Complete { tls13, resumed } => usize::from(!tls13) * 2 + usize::from(resumed),
            Self::Failed(failure) => 4 + failure as usize,
        }
    }

    /// Values of the labels `version`, `resumed` and `result`. A failed one has no version: it may have ended before.
    pub(super) fn labels(self) -> [&'static str; 3] {
        match self {
            Self::Complete { tls13, resumed } => [if tls13 { "1.3" } else { "1.2" }, if resumed { "true" } else { "false" }, "complete"],
            Self::Failed(failure) => ["", "false", failure.as_str()],
        }
    }
}

impl HandshakeFailure {
    fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::ClientLeft => "client_left",
            Self::Protocol => "protocol",
            Self::UnknownServerName => "unknown_server_name",
            Self::NoCertificate => "no_certificate",
            Self::Overloaded => "overloaded",
            Self::CertificateRefused => "certificate_refused",
        }
    }
}

impl ConnectionEvent {
    /// Every event there is, in the order of the declaration.
    pub(super) const ALL: [Self; 13] = [
        Self::BadRequest,
        Self::HeadTimedOut,
        Self::WriteStalled,
        Self::PlainHttpOnTls,
        Self::TlsOnPlain,
        Self::LimitReached,
        Self::ClientLimitReached,
        Self::AcceptFailed,
        Self::Panicked,
        Self::Aged,
        Self::ProtocolError,
        Self::IdleTimedOut,
        Self::Aborted,
    ];

    /// Value of the label `event`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::HeadTimedOut => "head_timed_out",
            Self::WriteStalled => "write_stalled",
            Self::PlainHttpOnTls => "plain_http_on_tls",
            Self::TlsOnPlain => "tls_on_plain",
            Self::LimitReached => "limit_reached",
            Self::ClientLimitReached => "client_limit_reached",
            Self::AcceptFailed => "accept_failed",
            Self::Panicked => "panicked",
            Self::Aged => "aged",
            Self::ProtocolError => "protocol_error",
            Self::IdleTimedOut => "idle_timed_out",
            Self::Aborted => "aborted",
        }
    }
}

/// The status to count under: itself if registered (or 499, for a client that left), else its class, so that a
/// backend cannot make a series for each of 900 numbers.
pub(super) fn counted_status(status: u16) -> u16 {
    let registered = StatusCode::from_u16(status).is_ok_and(|code| code.canonical_reason().is_some());
    if registered || status == 499 { status } else { (status / 100).min(9) }
}

/// Value of the label `code`: `404`, or `4xx` for a class.
pub(super) fn status_label(counted: u16) -> String {
    if counted < 10 { format!("{counted}xx") } else { counted.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_its_place_in_all() {
        assert!(HandshakeOutcome::ALL.iter().enumerate().all(|(place, outcome)| outcome.index() == place));
        assert!(ConnectionEvent::ALL.iter().enumerate().all(|(place, event)| *event as usize == place));
    }

    #[test]
    fn unregistered_statuses_are_counted_by_class() {
        let labels = [200, 404, 499, 299, 599, 799, 42].map(|status| status_label(counted_status(status)));
        assert_eq!(labels, ["200", "404", "499", "2xx", "5xx", "7xx", "0xx"]);
    }
}
