//! Read-only views of a running process.
