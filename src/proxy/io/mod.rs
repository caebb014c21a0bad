//! The layers that every byte of a client passes: `wire` under TLS, `plain` between TLS and HTTP, and `phase`, the one
//! state that both and everybody around them read.

pub mod linger;
pub mod phase;
pub mod plain;
pub mod wire;
