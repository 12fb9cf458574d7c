//! How much is done at once beside the parts of files, whose turns are the queue's.

use futures::TryFuture;
use futures::stream::{self, Stream, StreamExt as _, TryStream, TryStreamExt as _};

/// Work of one kind of which several pieces run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Requests for the permits of one file's parts: when one is granted, the next already waits, so that
    /// nothing less urgent comes in between.
    PartRequests,
    /// Chunks of one whole, as many as `[transfer] ranges` says. Each waits for permits of its own.
    Chunks(usize),
    /// Images of one room. Their memory has a budget of its own.
    Images,
    /// Objects of one room that are compared with its manifest.
    Comparisons,
    /// Segments that a decoder plays, each in a process of its own.
    Decodes,
    /// Parts of one film that the store copies.
    Copies,
    /// Accounts that are searched for a room.
    Searches,
}

impl Beside {
    /// How many pieces run at once; at least one.
    pub const fn at_once(self) -> usize {
        match self {
            Self::PartRequests | Self::Images | Self::Copies => 4,
            Self::Comparisons => 8,
            Self::Searches => 16,
            Self::Decodes => 2,
            Self::Chunks(0) => 1,
            Self::Chunks(ranges) => ranges,
        }
    }

    /// The results of `futures` in their order.
    pub fn each<F: Future>(
        self,
        futures: impl IntoIterator<Item = F>,
    ) -> impl Stream<Item = F::Output> {
        stream::iter(futures).buffered(self.at_once())
    }

    /// As [`Beside::each`], for futures that become known one by one.
    pub fn try_each<F: TryFuture>(
        self,
        futures: impl TryStream<Ok = F, Error = F::Error>,
    ) -> impl Stream<Item = Result<F::Ok, F::Error>> {
        futures.try_buffered(self.at_once())
    }
}
