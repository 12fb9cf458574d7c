//! A stage at work: its time is counted, and it is a span of a trace.

use tracing::Instrument as _;

use crate::model::{AppId, Stage};
use crate::spans;
use crate::stage::{Context, Error};

/// Does the work of a stage for an account. The span's parent is the one that is current then.
pub(super) fn at_work<'a, T: 'a>(
    context: &'a Context,
    appid: &'a AppId,
    stage: Stage,
    work: impl Future<Output = Result<T, Error>> + 'a,
) -> impl Future<Output = Result<T, Error>> + 'a {
    // On the heap: the work of most stages is large.
    let work = Box::pin(work);
    async move {
        let _counted = context.progress.at_work(appid, stage);
        let span = spans::stage(stage);
        let ended = work.instrument(span.clone()).await;
        match &ended {
            // The state of its recording is its outcome.
            Ok(_) if stage == Stage::Transfer => {}
            ended => spans::end(&span, ended),
        }
        ended
    }
}
