//! Which limits were reached, of what is counted for other reasons: every refusal has a counter of its own already, and
//! this only says which of them are those of a limit, and of which.

use super::counts::Counts;
use super::{ConnectionEvent, HandshakeFailure, HandshakeOutcome};

/// How often each limit was reached: by its place in the configuration, or by what the machine has no more of. All of
/// them, at 0 too.
pub(super) fn reached(counts: &Counts) -> [(&'static str, u64); 7] {
    let event = |event: ConnectionEvent| counts.events[event as usize];
    let failed = |reasons: &[&str]| counts.errors.iter().filter(|((reason, _), _)| reasons.contains(reason)).map(|(_, n)| n).sum::<u64>();
    let overloaded = HandshakeOutcome::Failed(HandshakeFailure::Overloaded);
    [
        ("limits.connections", event(ConnectionEvent::LimitReached)),
        ("limits.connectionsPerClient", event(ConnectionEvent::ClientLimitReached)),
        ("limits.requestHead", failed(&["request_head_too_large", "request_target_too_long"])),
        ("limits.requestBody", failed(&["request_body_too_large"])),
        ("backends[].limits", failed(&["backend_full"])),
        ("handshakes", counts.handshakes[overloaded.index()]),
        ("descriptors", event(ConnectionEvent::AcceptFailed) + failed(&["out_of_resources"])),
    ]
}
