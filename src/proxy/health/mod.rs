//! Which endpoints are ready: checks (`check`), what they amount to (`verdict`), and when they are made (`prober`);
//! and what requests say beside them (`outlier`).

mod check;
pub mod outlier;
mod prober;
mod tls;
pub mod verdict;

pub use prober::Prober;
