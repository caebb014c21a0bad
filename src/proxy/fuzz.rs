//! What fuzzers are given of the data path. Their programs, and what they found worth keeping, are in `tests/fuzz`.

pub use super::http::fuzz::{blocks, crossing};
pub use super::io::fuzz::heads;

/// Runs a target over what is kept for it; says how much that is.
#[cfg(test)]
pub fn replay(target: &str, run: fn(&[u8])) -> usize {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(corpus).unwrap().map(|file| file.unwrap().path()).collect();
    for file in &files {
        println!("{}", file.display());
        run(&std::fs::read(file).unwrap());
    }
    files.len()
}
