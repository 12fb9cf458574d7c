//! Writes stderr from a separate thread, so that a pipe without a reader, a full disk or a paused
//! terminal (Ctrl-S) blocks nothing.
//!
//! Messages for people wait to be written as long as there is progress, and then for at most a
//! second. Log lines do not wait: if the queue is full they are dropped, and a later line says how
//! many.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The size of the queue in bytes; lines beyond it are dropped.
const ROOM: usize = 1 << 20;

/// After this long without progress, no message waits until there is some.
const STALLED: Duration = Duration::from_secs(1);

/// The longest wait for one message, even with progress.
const LONGEST: Duration = Duration::from_secs(5);

/// The size of one write: progress is visible between two chunks.
const SLICE: usize = 4096;

static STDERR: LazyLock<io::Result<Lines>> = LazyLock::new(|| Lines::to(io::stderr()));

/// Prints a message and waits for it as described above; returns whether it was written.
pub(super) fn say(text: &str) -> bool {
    match &*STDERR {
        Ok(lines) => lines.say(text.as_bytes()),
        // The thread could not be started, which may be what the message is about.
        Err(_) => write_all(&mut io::stderr(), text.as_bytes()).is_ok(),
    }
}

/// Prints a message without waiting for it.
pub(super) fn log(text: &str) {
    // This never fails.
    let _ = Log.write_all(text.as_bytes());
}

/// Waits for all messages and log lines as described above; returns whether all were written.
pub(super) fn drain() -> bool {
    STDERR.as_ref().is_ok_and(Lines::drain)
}

/// The destination of log lines. Each write is one line, does not wait and never fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Ok(lines) = &*STDERR {
            lines.log(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The queue of lines for `stderr`, or for its substitute in a test. Clones share it.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// The size of the waiting lines.
    bytes: usize,
    is_writing: bool,
    /// Chunks that were written or failed.
    progress: u64,
    /// Lines that failed.
    refused: u64,
    /// Dropped lines that were not reported yet.
    dropped: u64,
    /// A message timed out, and nothing was written since.
    is_stalled: bool,
}

impl State {
    fn is_busy(&self) -> bool {
        self.is_writing || !self.waiting.is_empty() || self.dropped > 0
    }

    /// Adds a line if it fits; returns whether it did.
    fn push(&mut self, line: &[u8]) -> bool {
        let has_room = self.bytes + line.len() <= ROOM;
        if has_room {
            self.bytes += line.len();
            self.waiting.push_back(line.to_vec());
        }
        has_room
    }

    /// The next line to write: the waiting ones first, then the number of dropped ones.
    fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(line) = self.waiting.pop_front() {
            self.bytes -= line.len();
            return Some(line);
        }
        let dropped = std::mem::take(&mut self.dropped);
        let told = format!("dropped {dropped} lines: stderr was not read in time\n");
        (dropped > 0).then(|| told.into_bytes())
    }
}

impl Lines {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self::default();
        let writer = lines.clone();
        thread::Builder::new().name("stderr".to_owned()).spawn(move || writer.write(out))?;
        Ok(lines)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a log line; returns whether it fit.
    fn log(&self, line: &[u8]) -> bool {
        let mut state = self.state();
        let has_room = state.push(line);
        state.dropped += u64::from(!has_room);
        drop(state);
        self.0.changed.notify_all();
        has_room
    }

    fn say(&self, text: &[u8]) -> bool {
        let State { bytes, refused, .. } = *self.state();
        // Earlier log lines may have filled the queue.
        if bytes + text.len() > ROOM {
            self.drain();
        }
        let has_room = self.log(text);
        self.drain() && has_room && self.state().refused == refused
    }

    fn drain(&self) -> bool {
        let mut state = self.state();
        let began = Instant::now();
        let (mut progress, mut since) = (state.progress, began);
        while state.is_busy() {
            if state.is_stalled {
                return false;
            }
            let changed = &self.0.changed;
            state = changed.wait_timeout(state, STALLED).unwrap_or_else(PoisonError::into_inner).0;
            if state.progress != progress {
                (progress, since) = (state.progress, Instant::now());
            }
            let is_late = since.elapsed() >= STALLED || began.elapsed() >= LONGEST;
            state.is_stalled = state.is_busy() && is_late;
        }
        true
    }

    /// Writes all lines, as long as the process lives.
    fn write(&self, mut out: impl Write) {
        loop {
            let line = self.next();
            let mut is_refused = false;
            for slice in line.chunks(SLICE) {
                is_refused = is_refused || write_all(&mut out, slice).is_err();
                let mut state = self.state();
                (state.progress, state.is_stalled) = (state.progress + 1, false);
            }
            let mut state = self.state();
            (state.is_writing, state.refused) = (false, state.refused + u64::from(is_refused));
            drop(state);
            self.0.changed.notify_all();
        }
    }

    /// Waits for the next line.
    fn next(&self) -> Vec<u8> {
        let mut state = self.state();
        loop {
            if let Some(line) = state.next() {
                state.is_writing = true;
                return line;
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Writes all of `bytes`, even if another process has made the file non-blocking.
///
/// # Errors
/// When writing fails.
pub(super) fn write_all(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) => later(error)?,
        }
    }
    loop {
        match out.flush() {
            Ok(()) => return Ok(()),
            Err(error) => later(error)?,
        }
    }
}

/// Waits briefly if the write can be retried; otherwise returns the error.
fn later(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock => {
            thread::park_timeout(Duration::from_millis(10));
            Ok(())
        }
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Accepts one write for each permit, and keeps the bytes.
    struct Slow {
        permits: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.permits.recv().map_err(|_| ErrorKind::BrokenPipe)?;
            self.taken.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Lines, mpsc::Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let ((permit, permits), taken) = (mpsc::channel(), Arc::default());
        (Lines::to(Slow { permits, taken: Arc::clone(&taken) }).unwrap(), permit, taken)
    }

    #[test]
    fn who_does_not_read_is_waited_for_once_and_gets_the_last_lines_when_he_reads() {
        let (lines, permit, taken) = slow();
        let began = Instant::now();
        assert!(!lines.say(b"first\n"), "nobody has taken it");
        assert!((STALLED..LONGEST).contains(&began.elapsed()));
        for _ in 0..1_000 {
            assert!(!lines.say(&[b'x'; 2_000]));
        }
        assert!(began.elapsed() < LONGEST, "each is waited for: {:?}", began.elapsed());
        assert!(lines.state().bytes <= ROOM);
        for _ in 0..2_000 {
            permit.send(()).unwrap();
        }
        while !lines.drain() {
            thread::yield_now();
        }
        assert!(lines.say(b"last\n"));
        let said = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        assert!(said.starts_with("first\nxx"));
        assert!(said.contains(" lines: stderr was not read"), "{}", said.len());
        assert!(said.ends_with("last\n"));
    }

    #[test]
    fn what_cannot_be_written_is_known_not_to_be_and_ends_nothing() {
        struct Full(u32);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => Err(ErrorKind::StorageFull.into()),
                    2 => Err(ErrorKind::Interrupted.into()),
                    3 => Err(ErrorKind::WouldBlock.into()),
                    _ => Ok(bytes.len()),
                }
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::to(Full(0)).unwrap();
        assert!(!lines.say(b"the disk is full"));
        assert!(lines.say(b"it has room again"));
    }

    #[test]
    fn a_line_longer_than_a_slice_is_written_whole() {
        let (lines, permit, taken) = slow();
        (0..3).for_each(|_| permit.send(()).unwrap());
        lines.log(&[b'y'; 2 * SLICE + 1]);
        assert!(lines.drain());
        assert_eq!(taken.lock().unwrap().len(), 2 * SLICE + 1);
    }
}
