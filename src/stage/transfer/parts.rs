//! The parts of one file as they arrive, in order, within the memory budget.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::joined;
use super::source::Source;
use super::window::{Pass, Window};
use crate::media::source::{Body, Opened, SourceFile};
use crate::stage::Context;
use crate::stage::memory::{Lane, PartBytes, Share};
use crate::store::PartPlan;

/// For so many parts a recording waits in line at once: as one is served, the next is in line
/// already, so that nobody less urgent comes in between.
const IN_LINE: usize = 4;

/// One part in memory. Its share of the budget is free again when its bytes are dropped.
#[derive(Debug)]
pub(super) struct Part {
    pub number: u32,
    pub bytes: PartBytes,
    /// Its pass through the window, which it needs for longer than its bytes are kept.
    pub pass: Pass,
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct Begun {
    pub opened: Opened,
    /// The memory for its first part and the connection that brings it, where the body is of it.
    pub turn: Option<(Share, Lane)>,
}

/// A part on its way.
type Fetching = AbortOnDropHandle<Result<Part, Failure>>;

impl Begun {
    /// Opens a file with a request for its first part, once there is memory for one: nothing of it
    /// is read ahead beside the budget.
    pub(super) async fn with_first_part(source: &Source, bytes: u64) -> Result<Self, Failure> {
        let (share, lane) = source.turn(bytes).await;
        let opened = source.open(bytes, Some(&lane)).await?;
        Ok(Self { opened, turn: Some((share, lane)) })
    }
}

/// The parts of an opened file from number `from` on, in order. Several ranges are under way at once where the host
/// serves ranges; otherwise the one body is read to its end.
///
/// The stream ends after the last part, or with the first failure.
pub(super) fn arriving(
    context: &Arc<Context>,
    source: &Source,
    begun: Begun,
    plan: PartPlan,
    from: u32,
) -> BoxStream<'static, Result<Part, Failure>> {
    let window = Window::new(context.work.memory, plan);
    if begun.opened.file.ranged {
        ranged(source, begun, plan, window, from)
    } else {
        sequential(context, source, begun, plan, window)
    }
}

fn ranged(
    source: &Source,
    begun: Begun,
    plan: PartPlan,
    window: Window,
    from: u32,
) -> BoxStream<'static, Result<Part, Failure>> {
    let Begun { opened, turn } = begun;
    let first = plan.range(1).ok().flatten();
    let fits = first.as_ref().map(|first| first.end - first.start) == opened.body.expected();
    let first = first.zip(turn).filter(|_| from == 1 && fits).zip(window.pass());
    let fetch = Fetch { source: source.clone(), file: Arc::new(opened.file), plan, window };
    let (begun, from) = match first {
        Some(((range, turn), pass)) => {
            (Some(fetch.start((1, range, pass), Some(opened.body), turn)), 2)
        }
        // The body and the memory of a first part that is none are free before others are asked for.
        None => (None, from),
    };
    let (fetched, parts) = mpsc::unbounded_channel();
    let asking = AbortOnDropHandle::new(tokio::spawn(fetch.ask(from, fetched)));
    let parts = stream::iter(begun.map(Ok)).chain(UnboundedReceiverStream::new(parts));
    let arrived = move |part: Fetching| {
        let _until_the_last_has_come = &asking;
        async { joined(part.await) }
    };
    parts.and_then(arrived).boxed()
}

/// A part that is under way: its number, where it lies in the file, and its pass.
type Asked = (u32, Range<u64>, Pass);

/// What fetching the parts of a file needs.
struct Fetch {
    source: Source,
    file: Arc<SourceFile>,
    plan: PartPlan,
    window: Window,
}

impl Fetch {
    /// Fetches the parts from number `from` on as their turns come, whatever becomes of those before.
    async fn ask(self, from: u32, fetched: mpsc::UnboundedSender<Result<Fetching, Failure>>) {
        let asked = stream::iter(self.ranges(from)).and_then(|(number, range)| {
            let window = self.window.clone();
            async move { Ok((number, range, window.next_pass().await)) }
        });
        let turn = |(number, range, pass): Asked| {
            let turn = self.source.turn(range.end - range.start);
            async move { Ok(((number, range, pass), turn.await)) }
        };
        let turns = asked.map_ok(turn).try_buffered(IN_LINE);
        let started = turns.map_ok(|(asked, turn)| self.start(asked, None, turn));
        let mut started = std::pin::pin!(started);
        while let Some(part) = started.next().await {
            if fetched.send(part).is_err() {
                return;
            }
        }
    }

    /// The parts from number `from` on, and where they lie.
    fn ranges(&self, from: u32) -> impl Iterator<Item = Result<(u32, Range<u64>), Failure>> {
        let count = u32::try_from(self.plan.parts().unwrap_or(0)).unwrap_or(u32::MAX);
        let ranges = (from..=count).map(|number| Ok((number, self.plan.range(number)?)));
        ranges.filter_map(|range: Result<_, Failure>| match range {
            Ok((number, range)) => Some(Ok((number, range?))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Fetches a part in a task of its own, so that bytes arrive while others are hashed.
    fn start(&self, asked: Asked, body: Option<Body>, turn: (Share, Lane)) -> Fetching {
        let (source, file) = (self.source.clone(), Arc::clone(&self.file));
        let (number, range, pass) = asked;
        let task = async move {
            let bytes = source.range(&file, range, body, turn).await?;
            Ok(Part { number, bytes, pass })
        };
        AbortOnDropHandle::new(tokio::spawn(task))
    }
}

/// What is left of a body that is read to its end.
struct Rest {
    body: Body,
    lane: Option<Lane>,
    /// Bytes that have come and belong to the next part.
    bytes: Bytes,
}

fn sequential(
    context: &Arc<Context>,
    source: &Source,
    begun: Begun,
    plan: PartPlan,
    window: Window,
) -> BoxStream<'static, Result<Part, Failure>> {
    // Parts of a file without a length are larger: the memory for them is asked for anew.
    let lane = begun.turn.map(|(_, lane)| lane);
    let rest = Rest { body: begun.opened.body, lane, bytes: Bytes::new() };
    let state = (Arc::clone(context), source.clone(), rest, window, 1_u32);
    stream::try_unfold(state, move |(context, source, mut rest, window, number)| async move {
        let Some(range) = plan.range(number)? else { return Ok(None) };
        let pass = window.next_pass().await;
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut share = context.memory.share(range.end - range.start, source.job()).await;
        let under_way = source.under_way();
        let buffer = share.buffer();
        while buffer.len() < wanted {
            if rest.bytes.is_empty() {
                let bytes = rest.body.next().await.map_err(Failure::BrokenOff)?;
                let Some(bytes) = bytes else { break };
                source.moved(bytes.len() as u64, &under_way, rest.lane.as_ref());
                rest.bytes = bytes;
            }
            let fits = rest.bytes.split_to(rest.bytes.len().min(wanted - buffer.len()));
            buffer.extend_from_slice(&fits);
        }
        if buffer.len() == 0 {
            return Ok(None);
        }
        let part = Part { number, bytes: share.filled(), pass };
        Ok(Some((part, (context, source, rest, window, number + 1))))
    })
    .boxed()
}
