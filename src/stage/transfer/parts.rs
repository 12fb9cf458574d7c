//! The parts of one file as they arrive, in order, within the memory budget.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::failure::Failure;
use super::joined;
use super::source::{Fetched, Source};
use super::window::Window;
use crate::media::source::{Body, Opened, SourceFile};
use crate::schedule::{Beside, ConnectionPermit, MemoryPermit, PartBytes};
use crate::spans;
use crate::stage::Context;
use crate::store::PartPlan;

/// A part in memory, which is freed when its bytes are dropped.
#[derive(Debug)]
pub(super) struct Part {
    pub number: u32,
    pub bytes: PartBytes,
    /// Whether the file ends with this part, whatever its announced length.
    pub is_end: bool,
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct Begun {
    pub opened: Opened,
    /// The permits for the first part's memory and connection, if the body is that of the first part.
    pub permits: Option<Permits>,
}

/// The permits for a part.
type Permits = (MemoryPermit, ConnectionPermit);

/// A part being fetched.
type Fetching = AbortOnDropHandle<Result<Part, Failure>>;

impl Begun {
    /// Opens a file with a request for its first part, once there is memory for it: nothing is read
    /// ahead outside the budget.
    pub(super) async fn with_first_part(source: &Source, bytes: u64) -> Result<Self, Failure> {
        let permits = source.permits(bytes).await;
        let opened = source.open(bytes, Some(&permits.1)).await?;
        Ok(Self { opened, permits: Some(permits) })
    }
}

/// The parts of an opened file from number `from` on, in order. If the host serves ranges, several are
/// fetched at once; otherwise the one body is read to its end.
///
/// The stream ends after the last part, or with the first failure.
pub(super) fn arriving(
    context: &Arc<Context>,
    source: &Source,
    begun: Begun,
    (plan, window): (PartPlan, Window),
    from: u32,
) -> BoxStream<'static, Result<Part, Failure>> {
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
    let Begun { opened, permits } = begun;
    let first = plan.range(1).ok().flatten();
    let fits = first.as_ref().map(|first| first.end - first.start) == opened.body.expected();
    let is_taken = from == 1 && fits && !source.is_doubted(0);
    let first = first.zip(permits).filter(|_| is_taken);
    let fetch = Fetch { source: source.clone(), file: Arc::new(opened.file), plan, window };
    let (begun, from) = match first {
        Some((range, permits)) => (Some(fetch.start((1, range), Some(opened.body), permits)), 2),
        // Free the opened body and its permits, which do not fit the first part, before waiting for
        // others.
        None => (None, from),
    };
    let (fetched, parts) = mpsc::unbounded_channel();
    let asking = AbortOnDropHandle::new(tokio::spawn(fetch.ask(from, fetched).in_current_span()));
    let parts = stream::iter(begun.map(Ok)).chain(UnboundedReceiverStream::new(parts));
    let arrived = move |part: Fetching| {
        let _until_the_last_has_come = &asking;
        async { joined(part.await) }
    };
    let parts = parts.and_then(arrived).boxed();
    let up_to_the_end = stream::try_unfold(Some(parts), |parts| async {
        let Some(mut parts) = parts else { return Ok(None) };
        let part = parts.try_next().await?.filter(|part: &Part| !part.bytes.get().is_empty());
        Ok(part.map(|part| {
            let rest = (!part.is_end).then_some(parts);
            (part, rest)
        }))
    });
    up_to_the_end.boxed()
}

/// A requested part: its number and its range in the file.
type Asked = (u32, Range<u64>);

/// What fetching the parts of a file needs.
struct Fetch {
    source: Source,
    file: Arc<SourceFile>,
    plan: PartPlan,
    window: Window,
}

impl Fetch {
    /// Fetches the parts from number `from` on when it is their turn, independently of earlier ones.
    async fn ask(self, from: u32, fetched: mpsc::UnboundedSender<Result<Fetching, Failure>>) {
        let asked = stream::iter(self.ranges(from)).and_then(|(number, range)| {
            let mut window = self.window.clone();
            async move {
                window.reaches(number).await;
                Ok((number, range))
            }
        });
        let permitted = |(number, range): Asked| {
            let permits = self.source.permits(range.end.saturating_sub(range.start));
            async move { Ok(((number, range), permits.await)) }
        };
        let permitted = Beside::PartRequests.try_each(asked.map_ok(permitted));
        let started = permitted.map_ok(|(asked, permits)| self.start(asked, None, permits));
        let mut started = std::pin::pin!(started);
        while let Some(part) = started.next().await {
            if fetched.send(part).is_err() {
                return;
            }
        }
    }

    /// The parts from number `from` on and their ranges.
    fn ranges(&self, from: u32) -> impl Iterator<Item = Result<(u32, Range<u64>), Failure>> {
        let count = u32::try_from(self.plan.parts().unwrap_or(0)).unwrap_or(u32::MAX);
        let ranges = (from..=count).map(|number| Ok((number, self.plan.range(number)?)));
        ranges.filter_map(|range: Result<_, Failure>| match range {
            Ok((number, range)) => Some(Ok((number, range?))),
            Err(error) => Some(Err(error)),
        })
    }

    /// Fetches a part in its own task, so that it arrives while others are hashed.
    fn start(&self, asked: Asked, body: Option<Body>, permits: Permits) -> Fetching {
        let (source, file) = (self.source.clone(), Arc::clone(&self.file));
        let (number, range) = asked;
        let span = spans::part(number, range.end - range.start);
        let task = async move {
            let Fetched { bytes, is_end } =
                source.range_to_its_end(&file, range, body, permits).await?;
            Ok(Part { number, bytes, is_end })
        };
        AbortOnDropHandle::new(tokio::spawn(task.instrument(span)))
    }
}

/// The rest of a body that is read to its end.
struct Rest {
    body: Body,
    connection: Option<ConnectionPermit>,
    /// Bytes received that belong to the next part.
    bytes: Bytes,
}

fn sequential(
    context: &Arc<Context>,
    source: &Source,
    begun: Begun,
    plan: PartPlan,
    window: Window,
) -> BoxStream<'static, Result<Part, Failure>> {
    // Parts of a file without a length are larger, so memory is requested again.
    let connection = begun.permits.map(|(_, connection)| connection);
    let rest = Rest { body: begun.opened.body, connection, bytes: Bytes::new() };
    let state = (Arc::clone(context), source.clone(), rest, window, 1_u32);
    stream::try_unfold(state, move |(context, source, mut rest, mut window, number)| async move {
        let Some(range) = plan.range(number)? else { return Ok(None) };
        window.reaches(number).await;
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut memory = context.schedule.memory(range.end - range.start, source.job()).await;
        let buffer = memory.buffer();
        while buffer.len() < wanted {
            if rest.bytes.is_empty() {
                let at = range.start + buffer.len() as u64;
                let bytes = match rest.body.next().await {
                    // The file has ended.
                    Err(error) if source.has_no_more(&error, at) => break,
                    bytes => bytes.map_err(Failure::BrokenOff)?,
                };
                let Some(bytes) = bytes else { break };
                source.came(bytes.len() as u64, rest.connection.as_ref());
                rest.bytes = bytes;
            }
            let fits = rest.bytes.split_to(rest.bytes.len().min(wanted - buffer.len()));
            buffer.extend_from_slice(&fits);
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let part = Part { number, bytes: memory.filled(), is_end: false };
        Ok(Some((part, (context, source, rest, window, number + 1))))
    })
    .boxed()
}
