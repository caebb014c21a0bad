//! The admin listener in the file system: for whoever may open the socket, which its mode says.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};

/// A socket that is listened on. Its name goes with it.
#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

/// For the user and the group of the process.
const MODE: u32 = 0o660;

impl Socket {
    /// Binds it. What is left of a process that was killed is replaced; what somebody listens on, or is no socket, is not.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if is_left_over(path)? {
            std::fs::remove_file(path)?;
        }
        let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody can connect before it listens, and then its mode says who may.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
        socket.listen(128)?;
        socket.set_nonblocking(true)?;
        Ok(Self { path: path.to_owned(), listener: socket.into() })
    }

    pub(super) fn listener(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // Somebody may have done so.
    }
}

fn is_left_over(path: &Path) -> io::Result<bool> {
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => match UnixStream::connect(path) {
            Ok(_) => Err(ErrorKind::AddrInUse.into()),
            Err(error) => Ok(error.kind() == ErrorKind::ConnectionRefused),
        },
        Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "there is something else than a socket")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_over_socket_is_replaced_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let first = Socket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(Socket::bind(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "its process was killed");
        drop(Socket::bind(&path).unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert_eq!(Socket::bind(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
