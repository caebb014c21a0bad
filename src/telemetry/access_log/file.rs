//! The access log in a file, which is opened again where it was when somebody has moved it away (logrotate), and
//! written on where it is as long as that fails.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where lines go.
pub(super) trait Sink: Write {
    /// Begins anew, where that means something.
    fn reopen(&mut self);
}

/// A file that is appended to.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
}

/// Whatever else is written to: it cannot be opened again.
pub(super) struct Stream<W>(pub(super) W);

impl LogFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: append(path)? })
    }
}

/// What exchanges say is for the operator and for the operator's group.
fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

impl Sink for LogFile {
    fn reopen(&mut self) {
        match append(&self.path) {
            Ok(file) => self.file = file,
            Err(error) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "the access log cannot be opened again and is written on where it is");
            }
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<W: Write> Sink for Stream<W> {
    fn reopen(&mut self) {}
}

impl<W: Write> Write for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
