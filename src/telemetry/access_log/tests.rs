//! The access log as its readers see it.
