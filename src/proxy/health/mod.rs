//! Which endpoints are ready: checks (`check`), what they amount to (`verdict`), and when they are made (`prober`).

mod check;
mod prober;
mod tls;
mod verdict;

pub use prober::Prober;
