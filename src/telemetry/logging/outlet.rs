//! Lines on their way to standard error, through a thread that may wait for whoever reads it. Whoever says something does
//! not: what finds no room is counted, and told once there is room again. Lines keep their order over all threads, which
//! the queue of the access log gives up for speed.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// Where lines go in. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    messages: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    /// As it is to be written.
    Line(Vec<u8>),
    /// Everything before this has been written.
    Mark(SyncSender<()>),
}

/// So many lines wait at most.
const MOST: usize = 1024;
/// Between looks for room for a mark.
const AGAIN: Duration = Duration::from_millis(5);

impl Outlet {
    /// Writes to a sink from a thread of its own, which tells how many lines were lost once there is room again.
    pub(super) fn to(sink: impl Write + Send + 'static, tell: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        let (messages, taken) = sync_channel(MOST);
        let lost = Arc::new(AtomicU64::new(0));
        let outlet = Self { messages, lost: lost.clone() };
        thread::Builder::new().name("log".to_owned()).spawn(move || run(&taken, sink, &lost, tell))?;
        Ok(outlet)
    }

    /// Waits until what was said before is written, or `limit` has passed.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (written, is_written) = sync_channel(1);
        let mut mark = Message::Mark(written);
        while let Err(TrySendError::Full(back)) = self.messages.try_send(mark) {
            if Instant::now() >= deadline {
                return;
            }
            mark = back;
            sleep(AGAIN);
        }
        let _ = is_written.recv_timeout(deadline.saturating_duration_since(Instant::now())); // Then it has had its time.
    }
}

impl Write for Outlet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.messages.try_send(Message::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(messages: &Receiver<Message>, mut sink: impl Write, lost: &AtomicU64, tell: impl Fn(u64)) {
    loop {
        let message = match messages.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                // What tells of them comes through here as well. Before everything is written it would be lost itself.
                let lines = lost.swap(0, Ordering::Relaxed);
                if lines > 0 {
                    tell(lines);
                }
                match messages.recv() {
                    Ok(message) => message,
                    Err(_) => return,
                }
            }
        };
        match message {
            // Where it is closed, there is nowhere to say so.
            Message::Line(line) => drop(sink.write_all(&line)),
            Message::Mark(written) => drop(written.try_send(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Takes nothing until it is told to.
    struct Stuck {
        begun: Sender<()>,
        go: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.begun.send(()); // Only the first is waited for.
            let _ = self.go.recv(); // Once it has gone it goes on.
            self.written.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_and_lines_keep_their_order() {
        let ((go, waits), (written, lines), (begun, begins)) = (channel(), channel(), channel());
        // As the log does it, through the same outlet.
        let telling = Arc::new(OnceLock::<Outlet>::new());
        let told = telling.clone();
        let tell = move |lines: u64| told.get().unwrap().clone().write_all(format!("lost {lines}").as_bytes()).unwrap();
        let mut outlet = Outlet::to(Stuck { begun, go: waits, written }, tell).unwrap();
        telling.set(outlet.clone()).unwrap();
        outlet.write_all(b"0").unwrap();
        begins.recv().unwrap();
        for n in 1..2 * MOST {
            outlet.write_all(n.to_string().as_bytes()).unwrap();
        }
        // One is being written, and the others that had room wait.
        assert!(outlet.lost.load(Ordering::Relaxed) >= MOST as u64 - 1);
        outlet.flush(Duration::ZERO);
        drop(go);
        outlet.flush(Duration::from_secs(60));
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.starts_with("lost")) {
            seen.push(String::from_utf8(lines.recv_timeout(Duration::from_secs(60)).unwrap()).unwrap());
        }
        let told = seen.pop().unwrap();
        assert!(seen.len() >= MOST, "{}", seen.len());
        assert!(seen.iter().enumerate().all(|(n, line)| *line == n.to_string()));
        assert_eq!(told, format!("lost {}", 2 * MOST - seen.len()), "none is lost without a word");
    }
}
