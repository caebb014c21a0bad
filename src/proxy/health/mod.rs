//! Which endpoints are ready: checks (`check`), what they amount to (`verdict`), and when they are made (`prober`); what
//! the log says of it (`changes`), and what requests say beside them (`outlier`).

mod changes;
mod check;
pub mod outlier;
mod prober;
mod tls;
pub mod verdict;

pub use prober::Prober;
