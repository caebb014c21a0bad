//! Files that the process needs for itself, beside what it serves: without one of them it does not start. `genkan check`
//! looks for them beforehand, and creates nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::admin::Token;
use crate::model::{Diagnostic, ObjectKind, ProcessSettings, Reason};

/// What would keep a process from starting on this machine, as far as it can be told without touching anything.
pub fn missing(process: &ProcessSettings) -> Vec<Diagnostic> {
    let log = process.access_log.as_deref().and_then(|path| Some(access_log(Some(path), &can_append(path).err()?)));
    let socket = process.admin_socket.as_deref().and_then(|path| Some(admin_socket(path, &has_folder(path).err()?)));
    let token = process.admin_token.as_deref().and_then(|path| Some(admin_token(path, &Token::open(path).err()?)));
    [log, socket, token].into_iter().flatten().collect()
}

fn can_append(path: &Path) -> io::Result<()> {
    match OpenOptions::new().append(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => has_folder(path),
        opened => opened.map(drop),
    }
}

fn has_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if fs::metadata(folder)?.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
}

/// What is wrong with the access log's file; with standard output, where there is none.
pub fn access_log(path: Option<&Path>, error: &io::Error) -> Diagnostic {
    let path = path.unwrap_or(Path::new("standard output")).display();
    Diagnostic::error(Reason::FileUnreadable, format!("the access log cannot be written to {path}: {error}"))
        .about(ObjectKind::Configuration, "accessLog.file")
        .effect("the process does not start: what is asked of it would leave no trace")
        .help("a file in a folder that this user may write to; without accessLog.file, lines go to standard output")
}

/// What is wrong with the place of the admin socket.
pub fn admin_socket(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(Reason::FileUnreadable, format!("the admin pages cannot listen on {}: {error}", path.display()))
        .about(ObjectKind::Configuration, "admin.unixSocket")
        .effect("the process does not start: nobody could see whether it is ready")
        .help("a path in a folder that this user may write to, where there is nothing yet")
}

/// What is wrong with the file of the admin token.
pub fn admin_token(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(Reason::FileUnreadable, format!("the admin token cannot be read from {}: {error}", path.display()))
        .about(ObjectKind::Configuration, "admin.token")
        .effect("the process does not start: nobody could be let in")
        .help("a file that this user can read, with the token as its only line: openssl rand -hex 32")
}
