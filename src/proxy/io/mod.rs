//! The layers that every byte of a client passes: `wire` under TLS, `plain` between TLS and HTTP, and `phase`, the one
//! state that both and everybody around them read. `intake` lets through to an HTTP/1 codec what `head` and `chunks` have
//! looked at, `frames` to an HTTP/2 codec what `hpack` has. `interim` is what goes out beside them.

mod chunks;
#[cfg(any(test, genkan_fuzz))]
mod feed;
pub mod frames;
#[cfg(any(test, genkan_fuzz))]
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fuzzer looks for panics")]
pub mod fuzz;
pub mod head;
mod hpack;
mod huffman;
mod intake;
pub mod interim;
pub mod linger;
pub mod phase;
pub mod plain;
pub mod wire;
