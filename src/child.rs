//! Runs a program of the user: what it reads and prints has a bound, and all processes that it has started end
//! with it.

use std::ffi::OsString;
use std::io::Result;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use crate::clock;

/// The most bytes to keep of what a program prints.
pub const MOST: usize = 64 << 10;

/// How long a process has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(1);

/// How often to check whether a terminated group is gone.
const LOOK: Duration = Duration::from_millis(10);

/// How long to drain the pipe after the program has ended: this long if a process outside the group holds
/// it open, and three times as long if that process keeps printing.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A running program in its own process group. Dropping it kills the remaining group; [`Running::end`]
/// asks first and waits.
pub struct Running {
    child: Child,
    group: Group,
    input: Option<Input>,
    /// Its output, up to one byte more than the limit.
    pub stdout: Capture<ChildStdout>,
    /// The beginning of its stderr.
    pub stderr: Capture<ChildStderr>,
}

impl Running {
    /// Starts a program whose environment is exactly `environment`, and whose stdin is empty.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        program: &str,
        arguments: &[String],
        environment: impl IntoIterator<Item = (String, OsString)>,
    ) -> Result<Self> {
        Self::spawn(program, arguments, environment, Stdio::null())
    }

    /// The same for a program that reads `input`, or as much of it as it wants.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_with(
        program: &str,
        arguments: &[String],
        environment: impl IntoIterator<Item = (String, OsString)>,
        input: Vec<u8>,
    ) -> Result<Self> {
        let mut running = Self::spawn(program, arguments, environment, Stdio::piped())?;
        running.input = running.child.stdin.take().map(|to| Input { to, rest: input });
        Ok(running)
    }

    fn spawn(
        program: &str,
        arguments: &[String],
        environment: impl IntoIterator<Item = (String, OsString)>,
        stdin: Stdio,
    ) -> Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = Group::led_by(&child);
        let (stdout, stderr) = (child.stdout.take().into(), child.stderr.take().into());
        Ok(Self { child, group, input: None, stdout, stderr })
    }

    /// Feeds it, and reads until the program itself ends, or returns `None` once it has printed too much. Other
    /// processes that hold its pipes open do not matter.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub async fn finish(&mut self) -> Result<Option<ExitStatus>> {
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status?,
                () = Input::feed(&mut self.input) => {}
                read = self.stdout.more() => read?,
                read = self.stderr.more() => read?,
            }
            if self.stdout.is_too_much() {
                return Ok(None);
            }
        };
        // Otherwise, processes that it left behind could print for ever.
        self.group.end().await;
        let left = async { tokio::try_join!(self.stdout.drain(), self.stderr.drain()) };
        if let Ok(drained) = clock::within(3 * LAST_WORDS, left).await {
            drained?;
        }
        Ok((!self.stdout.is_too_much()).then_some(status))
    }

    /// Ends the program and all that it has started: SIGTERM, and SIGKILL a second later.
    pub async fn end(mut self) {
        let gone = async { tokio::join!(self.group.end(), self.child.wait()) };
        // A process that hangs in the kernel does not even react to SIGKILL.
        let _ = clock::within(2 * GRACE, gone).await;
    }
}

/// What is left of the input of a program.
struct Input {
    to: ChildStdin,
    rest: Vec<u8>,
}

impl Input {
    /// Writes some of it; waits for ever if nothing is left. Cancel-safe.
    async fn feed(input: &mut Option<Self>) {
        let Some(Self { to, rest }) = input else { return std::future::pending().await };
        match to.write(rest).await {
            Ok(written) if written < rest.len() => drop(rest.drain(..written)),
            // It has all of it, or has closed its stdin.
            Ok(_) | Err(_) => *input = None,
        }
    }
}

/// The program and the processes it has started, except those that left its group.
struct Group(Option<Pid>);

impl Group {
    fn led_by(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Fails if none is left.
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
                clock::pause(LOOK).await;
            }
        };
        if clock::within(GRACE, gone).await.is_err() {
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

/// The data read from a pipe, up to a limit. Reads and discards the rest, so that the writer never
/// blocks.
pub struct Capture<R> {
    from: Option<R>,
    /// What was kept.
    pub bytes: Vec<u8>,
}

impl<R> From<Option<R>> for Capture<R> {
    fn from(from: Option<R>) -> Self {
        Self { from, bytes: Vec::new() }
    }
}

impl<R: AsyncRead + Unpin> Capture<R> {
    /// Reads once; at the end of the pipe, waits for ever. Cancel-safe.
    async fn more(&mut self) -> Result<()> {
        match self.rest().await? {
            0 => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// Reads once and returns the number of bytes; 0 at the end of the pipe.
    async fn rest(&mut self) -> Result<usize> {
        const AT_ONCE: usize = 8 << 10;
        let Some(from) = &mut self.from else { return Ok(0) };
        // On the heap: every future that waits for a program would contain it, twice.
        let mut buffer = vec![0; AT_ONCE];
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            self.from = None;
        }
        let room = (MOST + 1).saturating_sub(self.bytes.len());
        self.bytes.extend(buffer.into_iter().take(read.min(room)));
        Ok(read)
    }

    /// Reads what is in the pipe, up to the limit.
    async fn drain(&mut self) -> Result<()> {
        while !self.is_too_much()
            && let Ok(read) = clock::within(LAST_WORDS, self.rest()).await
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
