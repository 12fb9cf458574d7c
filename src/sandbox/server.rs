//! Listening: one task per connection, all of which end with the server, and connections that can be
//! reset.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::SandboxError;

/// A running server. Dropping it ends the server and all its connections.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// Accepts connections on `listener` and passes each to `serve`.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn run<F>(
        listener: TcpListener,
        serve: impl Fn(Wire) -> F + Send + 'static,
    ) -> Result<Self, SandboxError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let addr = listener.local_addr().map_err(SandboxError::Serve)?;
        let task = tokio::spawn(async move {
            // Dropped with the task, which ends the connections.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, peer)) => {
                            connections.spawn(serve(Wire::new(stream, peer)));
                        }
                        Err(error) => tracing::debug!(%error, "failed to accept a connection"),
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { addr, task: task.abort_handle() })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on an address; port 0 picks a free one.
///
/// # Errors
/// When the address is not available.
pub async fn bind(addr: SocketAddr) -> Result<TcpListener, SandboxError> {
    TcpListener::bind(addr).await.map_err(|source| SandboxError::Listen { addr, source })
}

/// What a reply may know about its connection, and do to it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The caller's address.
    pub addr: SocketAddr,
    reset: Arc<AtomicBool>,
}

impl Peer {
    /// Makes the connection end with a reset (TCP RST) when it is dropped.
    pub fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }
}

/// A connection that ends with a reset if its peer handle says so.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    peer: Peer,
}

impl Wire {
    fn new(stream: TcpStream, addr: SocketAddr) -> Self {
        // If this fails, a small last packet may wait 40 ms for an acknowledgement, which does no harm.
        let _ = stream.set_nodelay(true);
        Self { stream, peer: Peer { addr, reset: Arc::new(AtomicBool::new(false)) } }
    }

    /// The handle for replies.
    pub fn peer(&self) -> Peer {
        self.peer.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.peer.reset.load(Ordering::Relaxed) {
            // If this fails, the connection ends properly, so the fault has no effect.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
