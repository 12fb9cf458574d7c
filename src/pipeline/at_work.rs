//! A stage at work: its time is counted, and it is a span of a trace.

use tracing::Instrument as _;

use crate::model::{AppId, Stage};
use crate::spans;
use crate::stage::{Context, Error};

/// Does the work of a stage for an account. The span's parent is the current one.
pub(super) async fn at_work<T>(
    context: &Context,
    appid: &AppId,
    stage: Stage,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
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
