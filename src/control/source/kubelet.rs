//! For tests: a mounted Secret that changes as kubelet changes it (its `AtomicWriter`): a new directory with a date for
//! its name, a link to it under another name, that link renamed over `..data`, the old directory removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A mounted Secret.
pub(super) struct Mount {
    pub(super) path: PathBuf,
    swaps: usize,
}

impl Mount {
    /// An empty directory, as it is before the first swap.
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        fs::create_dir_all(&path).unwrap();
        Self { path, swaps: 0 }
    }

    /// Gives both files this text.
    pub(super) fn swap(&mut self, text: &str) {
        let name = |n: usize| format!("..2026_06_01_00_00_00.{n}");
        self.swaps += 1;
        let next = self.path.join(name(self.swaps));
        fs::create_dir(&next).unwrap();
        write_pair(&next, text);
        symlink(name(self.swaps), self.path.join("..data_tmp")).unwrap();
        fs::rename(self.path.join("..data_tmp"), self.path.join("..data")).unwrap();
        if self.swaps == 1 {
            for file in ["tls.crt", "tls.key"] {
                symlink(Path::new("..data").join(file), self.path.join(file)).unwrap();
            }
        } else {
            fs::remove_dir_all(self.path.join(name(self.swaps - 1))).unwrap();
        }
    }
}

/// Both files of a Secret, written where they are.
pub(super) fn write_pair(directory: &Path, text: &str) {
    for file in ["tls.crt", "tls.key"] {
        fs::write(directory.join(file), text).unwrap();
    }
}
