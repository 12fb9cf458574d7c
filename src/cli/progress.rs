//! The progress line: on a terminal, while a run works.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::task::AbortOnDropHandle;

use super::figures::{bytes, took};
use crate::retry;
use crate::stage::Context;

/// A progress line, cleared when dropped.
pub(super) struct Line {
    bar: ProgressBar,
    _task: AbortOnDropHandle<()>,
}

impl Line {
    /// Begins to show what a run does; nothing where stderr is no terminal.
    pub(super) fn begin(context: &Arc<Context>) -> Option<Self> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new(0);
        let template = "{spinner} {bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let (context, shown) = (Arc::clone(context), bar.clone());
        let task = tokio::spawn(async move {
            loop {
                show(&shown, &context);
                retry::pause(Duration::from_millis(100)).await;
            }
        });
        Some(Self { bar, _task: AbortOnDropHandle::new(task) })
    }
}

fn show(bar: &ProgressBar, context: &Context) {
    let counts = context.progress.counts();
    bar.set_length(counts.bytes_planned.max(counts.bytes_moved));
    bar.set_position(counts.bytes_moved);
    bar.set_message(format!(
        "{} of {} rooms, {} recordings, {} API calls",
        counts.rooms_sealed, counts.rooms_listed, counts.recordings_done, counts.calls
    ));
}

impl Drop for Line {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// What was moved and how fast, for the end of a run.
pub(super) fn summary(moved: u64, elapsed: Duration) -> String {
    let per_second = u128::from(moved) * 1000 / elapsed.as_millis().max(1);
    let rate = u64::try_from(per_second).unwrap_or(u64::MAX);
    let moved = format!("{} in {}", bytes(moved), took(elapsed));
    if rate > 0 { format!("{moved} ({}/s)", bytes(rate)) } else { moved }
}
