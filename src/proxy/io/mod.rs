//! The layers that every byte of a client passes: `wire` under TLS, `plain` between TLS and HTTP, and `phase`, the one
//! state that both and everybody around them read. `intake` lets through to an HTTP/1 codec what `head` and `chunks` have
//! looked at.

mod chunks;
#[cfg(any(test, genkan_fuzz))]
mod feed;
#[cfg(any(test, genkan_fuzz))]
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fuzzer looks for panics")]
pub mod fuzz;
pub mod head;
mod intake;
pub mod linger;
pub mod phase;
pub mod plain;
pub mod wire;
