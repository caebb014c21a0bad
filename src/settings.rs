//! What the process was started with; never changes.
