//! Fetches a file again from the start within a run, in case one node of a media network served it
//! wrongly and the next serves it right.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::Context;
use super::failure::Failure;
use crate::retry::{self, Policy, Transient};

/// The most attempts at a file that changed during the transfer, or was fetched without ranges and
/// broke off.
const RESTARTS: u32 = 3;

/// The most full transfers of a multi-part file in one run if it is not a complete recording. Small
/// files are fetched as often as a failed request is retried.
const LARGE: u32 = 2;

/// Effectively unlimited: no attempt is skipped because earlier ones took long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The size of an attempt's file, once its host has given it.
#[derive(Debug, Clone, Default)]
pub(super) struct Size(Arc<AtomicU64>);

impl Size {
    /// Sets the size that the host gave, or that it gave none.
    pub(super) fn tell(&self, total: Option<u64>) {
        self.0.store(total.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn exceeds(&self, bytes: u64) -> bool {
        self.0.load(Ordering::Relaxed) > bytes
    }
}

/// Runs `attempt` until it succeeds, fails for good, or has been made often enough.
///
/// # Errors
/// The failure of the last attempt.
pub(super) async fn begun_again<T, F>(
    context: &Context,
    what: &str,
    attempt: impl Fn(Size) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let media = context.work.media_retry;
    let policy = Policy { attempts: media.attempts.max(RESTARTS), budget: LONGEST, ..media };
    let (count, part_bytes) = (AtomicU32::new(0), context.work.part_bytes);
    let outcome = retry::with(&policy, what, || {
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        let size = Size::default();
        let attempt = attempt(size.clone());
        async move {
            attempt.await.map_err(|failure| {
                let most = most(&failure, size.exceeds(part_bytes), media.attempts);
                Ended { failure, is_last: number >= most }
            })
        }
    });
    outcome.await.map_err(|ended| ended.failure)
}

/// The number of attempts to make for a failure.
fn most(failure: &Failure, is_large: bool, requests: u32) -> u32 {
    match () {
        () if failure.is_transient() => RESTARTS,
        () if !failure.may_be_a_slip() => 1,
        () if is_large && !failure.shows_at_once() => LARGE,
        () => requests,
    }
}

/// A failed attempt.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
struct Ended {
    failure: Failure,
    is_last: bool,
}

impl Transient for Ended {
    fn is_transient(&self) -> bool {
        !self.is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::hls::HlsError;
    use crate::media::mp4::Mp4Error;

    #[test]
    fn what_costs_little_is_asked_for_like_a_failed_request_and_a_large_segment_once_more() {
        let cut = || Failure::NotWhole(Mp4Error::CutHeader { bytes: 1, total: 9 });
        let page = || Failure::NotWhole(Mp4Error::NotMp4("an HTML or XML page"));
        assert_eq!(most(&cut(), false, 6), 6);
        assert_eq!(most(&cut(), true, 6), 2);
        assert_eq!(most(&page(), true, 6), 6);
        assert_eq!(most(&Failure::Empty, false, 6), 6);
        assert_eq!(most(&Failure::Playlist(HlsError::NotHls), false, 6), 6);
        assert_eq!(most(&Failure::Playlist(HlsError::Encrypted(String::new())), false, 6), 1);
        assert_eq!(most(&Failure::Unfetchable(String::new()), false, 6), 1);
    }
}
