//! Where things of the user are kept, and how a file is put there: all at once, with the mode it is to have.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// `genkan` in the user's data directory. The XDG base directory specification has relative paths ignored.
pub fn data_directory() -> Option<PathBuf> {
    user_data().map(|base| base.join("genkan"))
}

/// Where the local CA is kept.
pub fn directory() -> Option<PathBuf> {
    data_directory().map(|base| base.join("ca"))
}

pub(super) fn user_data() -> Option<PathBuf> {
    set("XDG_DATA_HOME").or_else(|| home().map(|home| home.join(".local/share")))
}

pub(super) fn home() -> Option<PathBuf> {
    set("HOME")
}

pub(super) fn set(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Puts a file in its place in one step, so that nobody reads half of it, over whatever was there.
pub fn put(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let _ = fs::remove_file(&new); // Left by a process that had this number before.
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new);
    let placed = written.and_then(|mut file| file.write_all(content)).and_then(|()| fs::rename(&new, path));
    if placed.is_err() {
        let _ = fs::remove_file(&new); // The error that is told is the first.
    }
    placed
}
