//! A program that is run for what it prints, and the end of all that it has started.

use std::ffi::OsString;
use std::io::Result;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use super::local::MOST;
use crate::retry;

/// How long a process has from SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(1);

/// How often a group that was told to end is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What was printed before the end lies in the pipe: it has so long to come, where a process that left
/// the group holds the pipe open, and three times as long where it goes on printing.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A program at work, in a process group of its own. What is left of the group is killed when this
/// is dropped; who can wait calls [`Running::end`], which asks first.
pub(super) struct Running {
    child: Child,
    group: Group,
    /// What it printed, one byte more than may be read at most.
    pub(super) stdout: Capture<ChildStdout>,
    /// What it complained of; the beginning alone.
    pub(super) stderr: Capture<ChildStderr>,
}

impl Running {
    /// Starts a program that inherits the `environment` given here and nothing else.
    pub(super) fn start(
        program: &str,
        arguments: &[String],
        environment: impl IntoIterator<Item = (String, OsString)>,
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = Group::led_by(&child);
        let (stdout, stderr) = (child.stdout.take().into(), child.stderr.take().into());
        Ok(Self { child, group, stdout, stderr })
    }

    /// Reads until the program itself ends, or has printed too much, which is `None`. Whether others
    /// hold its pipes open does not matter.
    pub(super) async fn finish(&mut self) -> Result<Option<ExitStatus>> {
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status?,
                read = self.stdout.more() => read?,
                read = self.stderr.more() => read?,
            }
            if self.stdout.is_too_much() {
                return Ok(None);
            }
        };
        // Else what it has left running may print for ever.
        self.group.end().await;
        let left = async { tokio::try_join!(self.stdout.drain(), self.stderr.drain()) };
        if let Ok(drained) = timeout(3 * LAST_WORDS, left).await {
            drained?;
        }
        Ok((!self.stdout.is_too_much()).then_some(status))
    }

    /// Ends the program and what it has started: SIGTERM, and SIGKILL for what is left a second later.
    pub(super) async fn end(mut self) {
        let gone = async { tokio::join!(self.group.end(), self.child.wait()) };
        // A process that hangs in the kernel does not even heed SIGKILL.
        let _ = timeout(2 * GRACE, gone).await;
    }
}

/// The processes that a program has started, itself among them, less those that left its group.
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Fails where none is left.
            let _ = kill_process_group(group, signal);
        }
    }

    fn is_there(&self) -> bool {
        self.0.is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    async fn end(&mut self) {
        self.signal(Signal::TERM);
        let gone = async {
            while self.is_there() {
                retry::pause(LOOK).await;
            }
        };
        if timeout(GRACE, gone).await.is_err() {
            self.signal(Signal::KILL);
        }
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// What has come out of a pipe, up to a limit. The rest is read and dropped: who writes must not be
/// made to wait for a reader.
pub(super) struct Capture<R> {
    from: Option<R>,
    pub(super) bytes: Vec<u8>,
}

impl<R> From<Option<R>> for Capture<R> {
    fn from(from: Option<R>) -> Self {
        Self { from, bytes: Vec::new() }
    }
}

impl<R: AsyncRead + Unpin> Capture<R> {
    /// Reads once; waits for ever at the end of the pipe. Nothing is lost where it is dropped.
    async fn more(&mut self) -> Result<()> {
        match self.rest().await? {
            0 => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// Reads once, and returns how much; 0 at the end of the pipe.
    async fn rest(&mut self) -> Result<usize> {
        const AT_ONCE: usize = 8 << 10;
        let Some(from) = &mut self.from else { return Ok(0) };
        let mut buffer = [0; AT_ONCE];
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            self.from = None;
        }
        let room = (MOST + 1).saturating_sub(self.bytes.len());
        self.bytes.extend(buffer.iter().take(read.min(room)));
        Ok(read)
    }

    /// Reads what lies in the pipe, up to the limit.
    async fn drain(&mut self) -> Result<()> {
        while !self.is_too_much()
            && let Ok(read) = timeout(LAST_WORDS, self.rest()).await
        {
            if read? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn is_too_much(&self) -> bool {
        self.bytes.len() > MOST
    }
}
