//! The progress line, shown on a terminal during a run.

use std::io::IsTerminal as _;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::figures::{bytes, counted, took};
use crate::config::Environment;
use crate::stage::Context;

/// The steps of the bar. The bar counts rooms because their sizes become known only as bytes arrive.
const STEPS: u64 = 1000;

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long clearing the line may take.
const CLEARING: Duration = Duration::from_secs(1);

/// A progress line, cleared when dropped. A separate thread draws it, so that a paused terminal
/// (Ctrl-S) blocks nothing else.
pub(super) struct Line {
    /// Dropped to clear the line.
    wanted: Option<mpsc::Sender<()>>,
    cleared: mpsc::Receiver<()>,
}

impl Line {
    /// Starts showing the progress of a run; `None` if stderr is not a terminal, or is one that can
    /// only print lines.
    pub(super) fn begin(context: &Arc<Context>) -> Option<Self> {
        let is_plain = Environment::of_process().is_plain_terminal();
        if is_plain || !std::io::stderr().is_terminal() {
            return None;
        }
        let (wanted, is_wanted) = mpsc::channel();
        let (clear, cleared) = mpsc::channel();
        let context = Arc::clone(context);
        let drawing = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            draw(&context, &is_wanted);
            // Fails if clearing took too long for the receiver to wait.
            let _ = clear.send(());
        });
        drawing.is_ok().then_some(Self { wanted: Some(wanted), cleared })
    }
}

/// Draws the line until it is no longer wanted, and clears it.
fn draw(context: &Context, is_wanted: &mpsc::Receiver<()>) {
    let bar = ProgressBar::new(STEPS);
    bar.set_style(style("{spinner} {wide_msg}"));
    let (began, mut reached) = (Instant::now(), None);
    loop {
        reached = show(&bar, context, began.elapsed(), reached);
        if is_wanted.recv_timeout(INTERVAL) != Err(mpsc::RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Shows how far the run is, never less than it had `reached`.
fn show(
    bar: &ProgressBar,
    context: &Context,
    elapsed: Duration,
    reached: Option<u64>,
) -> Option<u64> {
    let counts = context.progress.counts();
    let step = step(context.progress.fraction(), reached);
    if reached.is_none() && step.is_some() {
        bar.set_style(style("{spinner} {bar:20} {percent}% of the rooms  {wide_msg}"));
    }
    bar.set_position(step.unwrap_or(0));
    bar.set_message(format!(
        "{} archived, {}, {}",
        counted(counts.rooms_sealed, "room"),
        counted(counts.calls, "API call"),
        summary(counts.bytes_transferred, elapsed)
    ));
    step
}

/// The step of the bar. It never moves backwards, even when more rooms appear.
fn step(fraction: Option<f64>, reached: Option<u64>) -> Option<u64> {
    let step = fraction.map(|fraction| (fraction.clamp(0.0, 1.0) * STEPS as f64) as u64);
    step.max(reached)
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.wanted.take());
        let _ = self.cleared.recv_timeout(CLEARING);
    }
}

/// What was transferred and how fast, for the end of a run.
pub(super) fn summary(transferred: u64, elapsed: Duration) -> String {
    let per_second = u128::from(transferred) * 1000 / elapsed.as_millis().max(1);
    let rate = u64::try_from(per_second).unwrap_or(u64::MAX);
    let transferred = format!("{} in {}", bytes(transferred), took(elapsed));
    if rate > 0 { format!("{transferred} ({}/s)", bytes(rate)) } else { transferred }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_never_runs_backwards() {
        assert_eq!(step(None, None), None);
        assert_eq!(step(Some(0.5), None), Some(500));
        assert_eq!(step(Some(0.4), Some(500)), Some(500));
        assert_eq!(step(None, Some(500)), Some(500));
        assert_eq!(step(Some(1.5), Some(500)), Some(1000));
    }

    #[test]
    fn what_was_transferred_has_its_units() {
        assert_eq!(summary(0, Duration::from_millis(300)), "0 B in 0.3 s");
        assert_eq!(summary(60 << 20, Duration::from_secs(60)), "60.0 MiB in 1m (1.0 MiB/s)");
    }
}
