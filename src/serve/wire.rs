//! A connection that ends when its client takes hardly anything of an answer: a film must not be held open by
//! somebody who reads a byte a second. A player that is paused for longer asks again where it stopped.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits;
use crate::pace::Polled;

/// A connection.
pub(super) struct Wire<S> {
    stream: S,
    /// How fast the client takes what is written.
    pace: Polled,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, pace: Polled::new(limits::STALL) }
    }

    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let too_little =
            || Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes too little"));
        match written {
            Poll::Ready(Ok(bytes)) if self.pace.is_crawling(bytes as u64) => {
                Poll::Ready(too_little())
            }
            Poll::Pending => self.pace.poll_crawling(context).map(|()| too_little()),
            written => written,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.watch(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;
    use crate::clock;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_hardly_anything_is_left() {
        let (ours, mut theirs) = tokio::io::duplex(16);
        let reading = async {
            while theirs.read_u8().await.is_ok() {
                clock::pause(Duration::from_secs(1)).await;
            }
        };
        let writing = async {
            let error = Wire::new(ours).write_all(&[0; 1 << 20]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        };
        let began = Instant::now();
        tokio::join!(reading, writing);
        assert!(began.elapsed() < 2 * limits::STALL, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_left_and_one_that_reads_slowly_is_not() {
        let (ours, theirs) = tokio::io::duplex(16);
        let error = Wire::new(ours).write_all(&[0; 99]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let reading = async {
            let mut buffer = [0; 2048];
            while theirs.read_exact(&mut buffer).await.is_ok() {
                clock::pause(Duration::from_secs(1)).await;
            }
        };
        let writing = async move { Wire::new(ours).write_all(&[0; 1 << 20]).await.unwrap() };
        tokio::join!(reading, writing);
    }
}
