//! The parts of one file as they arrive, in order, within the memory budget.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::source::Source;
use crate::media::source::{Body, Opened};
use crate::stage::Context;
use crate::stage::memory::{PartBytes, Share};
use crate::store::PartPlan;

/// One part in memory. Its share of the budget is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    pub number: u32,
    pub bytes: PartBytes,
}

/// What a part needs to be fetched.
#[derive(Debug)]
struct Reserved {
    number: u32,
    range: Range<u64>,
    share: Share,
    /// One of the ranges that a recording may have under way at once, held until its bytes are
    /// there.
    lane: Option<OwnedSemaphorePermit>,
}

/// The parts of an opened file from number `from` on, in order. Several ranges are under way at once where the host
/// serves ranges; otherwise the one body is read to its end.
///
/// The stream ends after the last part, or with the first failure.
pub(super) fn arriving(
    context: &Arc<Context>,
    source: &Source,
    opened: Opened,
    plan: PartPlan,
    from: u32,
) -> BoxStream<'static, Result<Part, Failure>> {
    if opened.file.ranged {
        ranged(context, source, opened, plan, from)
    } else {
        sequential(context, source, opened.body, plan)
    }
}

fn ranged(
    context: &Arc<Context>,
    source: &Source,
    opened: Opened,
    plan: PartPlan,
    from: u32,
) -> BoxStream<'static, Result<Part, Failure>> {
    let file = Arc::new(opened.file);
    let fits = from == 1 && opened.body.expected() == first_part(plan);
    let mut first = Some(opened.body).filter(|_| fits);
    let (context, source) = (Arc::clone(context), source.clone());
    let (ranges, files) = (context.work.ranges.max(1), context.work.files.max(1));
    let lanes = Arc::new(Semaphore::new(ranges));
    let job = source.job().clone();
    // Memory is shared out in the order of the parts: a later part must not hold what an earlier
    // one waits for.
    let reserve = move |number: u32| {
        let (memory, lanes, job) = (context.memory.clone(), Arc::clone(&lanes), job.clone());
        async move {
            let Some(range) = plan.range(number)? else { return Ok(None) };
            // Under pressure the most urgent recording takes all connections that there are.
            let lane = if job.is_pressed() { None } else { lanes.acquire_owned().await.ok() };
            let share = memory.share(range.end - range.start, &job).await;
            Ok::<_, Failure>(Some(Reserved { number, range, share, lane }))
        }
    };
    // A task of its own for each range, so that bytes arrive while others are hashed.
    let fetch = move |reserved: Result<Option<Reserved>, Failure>| {
        let (source, file) = (source.clone(), Arc::clone(&file));
        let body = first.take();
        let task = async move {
            let Some(reserved) = reserved? else { return Ok(None) };
            let Reserved { number, range, share, lane } = reserved;
            let bytes = source.range(&file, range, body, share).await?;
            drop(lane);
            Ok(Some(Part { number, bytes }))
        };
        AbortOnDropHandle::new(tokio::spawn(task))
    };
    let joined =
        |joined: Result<Result<Option<Part>, Failure>, tokio::task::JoinError>| match joined {
            Ok(part) => part,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        };
    let count = u32::try_from(plan.parts().unwrap_or(0)).unwrap_or(u32::MAX);
    let reserved = stream::iter(from..=count).then(reserve);
    let parts = reserved.map(fetch).buffered(ranges * files).map(joined);
    parts.try_filter_map(|part| async { Ok(part) }).boxed()
}

/// The length of the first part; `None` for a file without one.
fn first_part(plan: PartPlan) -> Option<u64> {
    plan.range(1).ok().flatten().map(|range| range.end - range.start)
}

fn sequential(
    context: &Arc<Context>,
    source: &Source,
    body: Body,
    plan: PartPlan,
) -> BoxStream<'static, Result<Part, Failure>> {
    let state = (Arc::clone(context), source.clone(), body, Bytes::new(), 1_u32);
    stream::try_unfold(state, move |(context, source, mut body, rest, number)| async move {
        let Some(range) = plan.range(number)? else { return Ok(None) };
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut share = context.memory.share(range.end - range.start, source.job()).await;
        let under_way = source.under_way();
        let buffer = share.buffer();
        let mut rest: Bytes = rest;
        while buffer.len() < wanted {
            if rest.is_empty() {
                let bytes = body.next().await.map_err(Failure::BrokenOff)?;
                let Some(bytes) = bytes else { break };
                context.progress.move_bytes(bytes.len() as u64);
                under_way.moved(bytes.len() as u64);
                source.job().moved(bytes.len() as u64);
                rest = bytes;
            }
            let fits = rest.split_to(rest.len().min(wanted - buffer.len()));
            buffer.extend_from_slice(&fits);
        }
        if buffer.len() == 0 {
            return Ok(None);
        }
        let part = Part { number, bytes: share.filled() };
        Ok(Some((part, (context, source, body, rest, number + 1))))
    })
    .boxed()
}
