//! The thread that writes the access log. Errors are counted and otherwise taken as they come: a reader that is gone
//! may be followed by another one.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use super::file::Sink;
use super::queue::Queue;

/// Standard output, past the line buffer that std keeps in front of it.
pub(super) fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Writes until the queue is closed.
pub(super) fn run(queue: &Queue, sink: impl Sink) {
    let mut output = Output { sink, torn: false };
    let mut spare = Vec::new();
    loop {
        let told = queue.take(&mut spare, |lines| output.write(lines, queue));
        if told.reopen {
            output.reopen();
        }
        if told.closed {
            return;
        }
    }
}

struct Output<W> {
    sink: W,
    /// The last write ended within a line.
    torn: bool,
}

/// How long to leave a reader alone that takes nothing now, where standard output does not block (somebody who shares
/// it may have set that).
const FULL: Duration = Duration::from_millis(10);

impl<W: Sink> Output<W> {
    /// What was written before stays as it is; a line that was torn there is not one here.
    fn reopen(&mut self) {
        self.sink.reopen();
        self.torn = false;
    }
}

impl<W: Write> Output<W> {
    fn write(&mut self, lines: &[u8], queue: &Queue) -> io::Result<()> {
        if self.torn {
            self.sink.write_all(b"\n").inspect_err(|_| queue.lose(count_lines(lines)))?;
            self.torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(0) => return self.fail(lines, rest, queue, ErrorKind::WriteZero.into()),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL),
                Err(error) => return self.fail(lines, rest, queue, error),
            }
        }
        self.sink.flush()
    }

    fn fail(&mut self, lines: &[u8], rest: &[u8], queue: &Queue, error: io::Error) -> io::Result<()> {
        queue.lose(count_lines(rest));
        self.torn = lines[..lines.len() - rest.len()].last().is_some_and(|byte| *byte != b'\n');
        Err(error)
    }
}

#[allow(clippy::naive_bytecount, reason = "only after a failed write")]
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes some bytes, then fails, then takes everything.
    struct FullDisk {
        written: Vec<u8>,
        left: usize,
        failed: bool,
    }

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.left == 0 && !self.failed {
                self.failed = true;
                return Err(ErrorKind::StorageFull.into());
            }
            let n = if self.failed { bytes.len() } else { bytes.len().min(self.left) };
            self.left = self.left.saturating_sub(n);
            self.written.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_torn_line_does_not_swallow_the_next() {
        let queue = Queue::default();
        let mut output = Output { sink: FullDisk { written: Vec::new(), left: 6, failed: false }, torn: false };
        assert!(output.write(b"one\ntwo\nthree\n", &queue).is_err());
        assert!(output.write(b"four\n", &queue).is_ok());
        assert_eq!(output.sink.written, b"one\ntw\nfour\n");
        assert_eq!(queue.dropped(), 2);
    }
}
