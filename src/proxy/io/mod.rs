//! The layers that every byte of a client passes: `wire` under TLS, `plain` between TLS and HTTP, and `phase`, the one
//! state that both and everybody around them read. `intake` lets through to an HTTP/1 codec what `head` and `chunks` have
//! looked at.

mod chunks;
pub mod head;
mod intake;
pub mod linger;
pub mod phase;
pub mod plain;
pub mod wire;
