//! Beginning a file again within a run, where what came may be one node's slip: a media network whose
//! next node answers rightly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::Context;
use super::failure::Failure;
use crate::retry::{self, Policy, Transient};

/// How often at most a file is begun when it changed under the transfer, or came without ranges and
/// broke off.
const RESTARTS: u32 = 3;

/// How often at most a file of several parts is transferred to its end in one run when what came is
/// no whole recording. Small ones are asked for as often as a failed request is repeated.
const LARGE: u32 = 2;

/// No attempt is given up for the time that those before it took.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The size of the file that an attempt is about, once its host has told it.
#[derive(Debug, Clone, Default)]
pub(super) struct Size(Arc<AtomicU64>);

impl Size {
    /// The host has told the size, or that it does not.
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

/// How many attempts a failure is worth.
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
    fn what_costs_little_is_asked_for_like_a_failed_request_and_a_large_film_once_more() {
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
