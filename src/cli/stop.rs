//! When a run is to end early: a signal, or its time is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::output::aside;
use crate::retry;

/// Watches for the end. The watching ends when this is dropped.
pub(super) struct Watch {
    /// Cancelled when the run is to end.
    pub stop: CancellationToken,
    interrupted: Arc<AtomicBool>,
    _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// Begins to watch for SIGINT and SIGTERM, and for `max_runtime` to pass.
    pub(super) fn begin(max_runtime: Option<Duration>) -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let interrupted = Arc::new(AtomicBool::new(false));
        let (mut int, mut term) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (token, flag) = (stop.clone(), Arc::clone(&interrupted));
        let task = tokio::spawn(async move {
            let time_is_up = async {
                match max_runtime {
                    Some(limit) => retry::pause(limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = int.recv() => flag.store(true, Ordering::Relaxed),
                _ = term.recv() => flag.store(true, Ordering::Relaxed),
                () = time_is_up => {}
            }
            token.cancel();
            if flag.load(Ordering::Relaxed) {
                aside("interrupted: finishing what is in flight, 10 seconds at most");
            }
        });
        Ok(Self { stop, interrupted, _task: AbortOnDropHandle::new(task) })
    }

    /// Whether a signal was what ended the run.
    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
