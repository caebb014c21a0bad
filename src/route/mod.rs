//! Which route, and which certificate: pure lookups, built once a configuration.
