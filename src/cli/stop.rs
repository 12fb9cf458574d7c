//! When a command is to end early: a signal, or its time is up.
//!
//! A thread of its own watches, so that nothing that blocks the others keeps a command from ending:
//!
//! 1. The first signal, and the end of `--max-runtime`, cancel [`Stop::token`]: a run finishes what is in
//!    flight. What has nothing to finish is dropped at once, which is as good as a kill.
//! 2. Where that takes too long, [`Stop::over`] drops what is left.
//! 3. Where even that does not help, as when stdout blocks, the process exits.
//!
//! A second signal comes to the last two at once.

use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Exit, output, stderr};
use crate::{pipeline, retry};

/// How long a command that is told to stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grace {
    /// It changes nothing that would have to be finished.
    None,
    /// What is in flight is finished, or left to the next run.
    OfARun,
}

impl Grace {
    /// From a signal on.
    fn after_a_signal(self) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::OfARun => pipeline::LAST_CALL + Duration::from_secs(1),
        }
    }

    /// From the end of `--max-runtime` on: what was lost is told then, too.
    fn after_its_time(self) -> Duration {
        self.after_a_signal() + Duration::from_secs(10)
    }
}

/// How long it may take to drop what is left.
const DROPPING: Duration = Duration::from_millis(500);

/// The same at a second signal: a token command is ended with what it has started.
const AT_ONCE: Duration = Duration::from_millis(300);

/// Signals that come together are one: `timeout` and some shells send to the process and to its group.
const TOGETHER: Duration = Duration::from_millis(500);

/// What tells a command when to end.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    /// Cancelled when it is to end.
    pub token: CancellationToken,
    signalled: CancellationToken,
    over: CancellationToken,
}

/// A command was stopped before it came to tell anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// By a signal.
    #[error("interrupted{}", while_waiting(.waiting_for))]
    BySignal {
        /// For whom it was waiting, where that is known.
        waiting_for: Option<&'static str>,
    },
    /// Its time was up.
    #[error(
        "the time that --max-runtime gives was up{}\nhint: `doctor` tells whether everything answers",
        while_waiting(.waiting_for)
    )]
    ByTime {
        /// As above.
        waiting_for: Option<&'static str>,
    },
}

fn while_waiting(what: &Option<&str>) -> String {
    what.map_or_else(String::new, |what| format!(" while waiting for {what}"))
}

impl Stop {
    /// Begins to watch for SIGINT, SIGTERM and SIGHUP, and for `max_runtime` to pass.
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

    /// Whether a signal was what ended it.
    pub(super) fn was_interrupted(&self) -> bool {
        self.signalled.is_cancelled()
    }

    /// Waits until whatever is left is to be dropped.
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

    /// What `work` comes to, unless it is stopped while it waits for `what`.
    ///
    /// # Errors
    /// Those of `work`, and [`Stopped`].
    pub(super) async fn unless<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.token.cancelled() => Err(self.stopped(Some(what)).into()),
        }
    }

    /// What `work` comes to; `None` where `limit` is over first, or a signal has come and a moment has
    /// passed.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        const MOMENT: Duration = Duration::from_secs(1);
        let hurried = async {
            self.signalled.cancelled().await;
            retry::pause(MOMENT).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = hurried => None,
            () = self.over.cancelled() => None,
            () = retry::pause(limit) => None,
        }
    }
}

/// The signals that end a command.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` where whoever has started the process wants it to live on, as `nohup` does.
    hangup: Option<Signal>,
    /// Caught so that a limit on file sizes is an error of the write and not the end of the process.
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

    /// Waits for one.
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

/// Whether this process was started with the signal ignored, as far as the system tells.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, kind.as_raw_value())
}

fn ignores(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// What the thread does.
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
            // Counted from one moment, so that signals that keep coming do not put it off.
            let to_exit = (over + dropping).saturating_duration_since(Instant::now());
            tokio::select! {
                biased;
                () = retry::pause(to_exit), if left.is_zero() => self.exit(),
                () = self.signals.next() => {
                    if !self.stop.was_interrupted() {
                        over = over.min(self.interrupt());
                        first = Instant::now();
                    } else if first.elapsed() > TOGETHER && dropping != AT_ONCE {
                        (over, dropping) = (over.min(Instant::now()), AT_ONCE);
                    }
                }
                () = retry::pause(left), if !left.is_zero() => {}
            }
        }
    }

    /// Tells the command of a signal, and then whoever watches; returns when it is over.
    fn interrupt(&self) -> Instant {
        let grace = self.grace.after_a_signal();
        self.stop.signalled.cancel();
        self.stop.token.cancel();
        if self.grace == Grace::OfARun {
            let seconds = grace.as_secs();
            output::aside(format_args!(
                "interrupted: finishing what is in flight, {seconds} seconds at most"
            ));
        }
        Instant::now() + grace
    }

    /// Ends the process, whatever it is doing.
    fn exit(&self) -> ! {
        let is_interrupted = self.stop.was_interrupted();
        if !is_interrupted {
            output::aside(
                "error: its time is up and it does not end\n\
                 hint: is there a reader of what it prints, and does the disk under the ledger answer?",
            );
        }
        stderr::drain();
        let exit = if is_interrupted { Exit::Interrupted } else { Exit::CouldNotRun };
        process::exit(exit.code().into());
    }
}

/// Waits so long; for ever where that is not limited.
async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => retry::pause(limit).await,
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
