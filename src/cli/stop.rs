//! Ends a command early: on a signal, or when its time is up.
//!
//! A separate thread watches, so that nothing that blocks other threads keeps a command from ending:
//!
//! 1. The first signal, and the end of `--max-runtime`, cancel [`Stop::token`]: a run finishes what is in
//!    flight. What has nothing to finish is dropped at once, which is as good as a kill.
//! 2. Where that takes too long, [`Stop::over`] drops what is left.
//! 3. Where even that does not help, as when stdout blocks, the process exits.
//!
//! A second signal skips to the last two at once.

use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Exit, output, stderr};
use crate::{clock, pipeline, serve};

/// How much time a command that is told to stop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grace {
    /// It has no changes to finish.
    None,
    /// It finishes what is in flight, or leaves it to the next run.
    OfARun,
    /// It answers the requests in flight.
    OfAServer,
}

impl Grace {
    /// The time after a signal.
    fn after_a_signal(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::OfARun => pipeline::LAST_CALL + Duration::from_secs(1),
            Self::OfAServer => serve::LAST + Duration::from_secs(1),
        }
    }

    /// What the command does in that time.
    fn last_work(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::OfARun => Some("finishing transfers"),
            Self::OfAServer => Some("answering requests"),
        }
    }

    /// The time after `--max-runtime` has passed: the run then reports losses too.
    fn after_its_time(self) -> Duration {
        self.after_a_signal() + Duration::from_secs(10)
    }
}

/// How long dropping the remaining work may take.
const DROPPING: Duration = Duration::from_millis(500);

/// The same after a second signal: a token command is ended with the processes that it started.
const AT_ONCE: Duration = Duration::from_millis(300);

/// Signals within this time count as one: `timeout` and some shells send to the process and to its
/// group.
const TOGETHER: Duration = Duration::from_millis(500);

/// Tells a command when to end.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// Cancelled when the command should end.
    pub token: CancellationToken,
    signalled: CancellationToken,
    over: CancellationToken,
}

/// A command was stopped before it could report anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// By a signal.
    #[error("interrupted{}", while_waiting(.waiting_for))]
    BySignal {
        /// What it was waiting for, if known.
        waiting_for: Option<&'static str>,
    },
    /// Its time is up.
    #[error(
        "the time limit of --max-runtime was reached{}\n\
         hint: `doctor` checks whether everything responds [RA419]",
        while_waiting(.waiting_for)
    )]
    ByTime {
        /// What it was waiting for, if known.
        waiting_for: Option<&'static str>,
    },
}

fn while_waiting(what: &Option<&str>) -> String {
    what.map_or_else(String::new, |what| format!(" while waiting for {what}"))
}

impl Stop {
    /// Starts watching for SIGINT, SIGTERM and SIGHUP, and for `max_runtime` to pass.
    ///
    /// # Errors
    /// When signals cannot be caught.
    pub(super) fn begin(max_runtime: Option<Duration>, grace: Grace) -> io::Result<Self> {
        let stop = Self {
            token: CancellationToken::new(),
            signalled: CancellationToken::new(),
            over: CancellationToken::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals::catch()?
        };
        let watch = Watch { stop: stop.clone(), signals, grace };
        let watching = thread::Builder::new().name("stop".to_owned());
        watching.spawn(move || runtime.block_on(watch.run(max_runtime)))?;
        Ok(stop)
    }

    /// Whether a signal ended it.
    pub(super) fn was_interrupted(&self) -> bool {
        self.signalled.is_cancelled()
    }

    /// Waits until the remaining work has to be dropped.
    pub(super) async fn over(&self) -> Stopped {
        self.over.cancelled().await;
        self.stopped(None)
    }

    fn stopped(&self, waiting_for: Option<&'static str>) -> Stopped {
        if self.was_interrupted() {
            Stopped::BySignal { waiting_for }
        } else {
            Stopped::ByTime { waiting_for }
        }
    }

    /// The result of `work`, unless the command is stopped while it waits for `what`.
    ///
    /// # Errors
    /// The errors of `work`, and [`Stopped`].
    pub(super) async fn unless<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            // On the heap: commands are large.
            done = Box::pin(work) => done,
            () = self.token.cancelled() => Err(self.stopped(Some(what)).into()),
        }
    }

    /// The result of `work`; `None` if `limit` passes first, or a signal arrives and a moment passes.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        const MOMENT: Duration = Duration::from_secs(1);
        let hurried = async {
            self.signalled.cancelled().await;
            clock::pause(MOMENT).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = hurried => None,
            () = self.over.cancelled() => None,
            () = clock::pause(limit) => None,
        }
    }
}

/// The signals that end a command.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if the parent process wants this one to survive a hangup, as `nohup` does.
    hangup: Option<Signal>,
    /// Caught so that exceeding a file size limit fails the write instead of ending the process.
    _file_size: Option<Signal>,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        const SIGXFSZ: i32 = 25;
        let hangup = SignalKind::hangup();
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if is_ignored(hangup) { None } else { Some(signal(hangup)?) },
            _file_size: signal(SignalKind::from_raw(SIGXFSZ)).ok(),
        })
    }

    /// Waits for a signal.
    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with the signal ignored, according to the system.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, kind.as_raw_value())
}

fn ignores(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// The watching thread.
struct Watch {
    stop: Stop,
    signals: Signals,
    grace: Grace,
}

impl Watch {
    async fn run(mut self, max_runtime: Option<Duration>) {
        let (mut over, mut dropping) = tokio::select! {
            () = self.signals.next() => (self.interrupt(), DROPPING),
            () = after(max_runtime) => {
                self.stop.token.cancel();
                (Instant::now() + self.grace.after_its_time(), DROPPING)
            }
        };
        let mut first = Instant::now();
        loop {
            let left = over.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.stop.over.cancel();
            }
            // Measured from one moment, so that repeated signals do not delay it.
            let to_exit = (over + dropping).saturating_duration_since(Instant::now());
            tokio::select! {
                biased;
                () = clock::pause(to_exit), if left.is_zero() => self.exit(),
                () = self.signals.next() => {
                    if !self.stop.was_interrupted() {
                        over = over.min(self.interrupt());
                        first = Instant::now();
                    } else if first.elapsed() > TOGETHER && dropping != AT_ONCE {
                        (over, dropping) = (over.min(Instant::now()), AT_ONCE);
                    }
                }
                () = clock::pause(left), if !left.is_zero() => {}
            }
        }
    }

    /// Tells the command, and then all watchers, about a signal; returns when it has to be over.
    fn interrupt(&self) -> Instant {
        let grace = self.grace.after_a_signal();
        self.stop.signalled.cancel();
        self.stop.token.cancel();
        if let Some(work) = self.grace.last_work() {
            let seconds = grace.as_secs();
            output::aside(format_args!(
                "interrupted: {work} in flight, for {seconds} seconds at most"
            ));
        }
        Instant::now() + grace
    }

    /// Ends the process, whatever it is doing.
    fn exit(&self) -> ! {
        let is_interrupted = self.stop.was_interrupted();
        if !is_interrupted {
            output::aside(
                "error: the time is up but the program does not end\n\
                 hint: check that something reads its output, and that the ledger's disk responds [RA419]",
            );
        }
        stderr::drain();
        let exit = if is_interrupted { Exit::Interrupted } else { Exit::CouldNotRun };
        process::exit(exit.code().into());
    }
}

/// Waits for `limit`, or forever without one.
async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => clock::pause(limit).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_was_ignored_at_the_start_is_known() {
        let status = "Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(ignores(status, 1) && ignores(status, 13));
        assert!(!ignores(status, 2) && !ignores("", 1) && !ignores("SigIgn: zz", 1));
    }
}
