//! Arguments to an exit code.
fn main() {}
