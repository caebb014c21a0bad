//! The wiring, in numbered steps: the only file that sees every folder.
