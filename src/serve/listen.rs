//! Accepts connections and ends them: at once those that are too many, in time those that are in flight when
//! the server is to end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::app::App;
use super::guard::Peer;
use super::limits;
use super::renewal;
use super::router::router;
use super::wire::Wire;
use crate::clock;

/// The answer to a connection that is too many.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\
    Connection: close\r\n\r\n";

/// How long to wait when no connection can be accepted, for example because there are too many files open.
const PAUSE: Duration = Duration::from_millis(200);

/// The server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address}\nhint: is another program using the port? [serve] listen or --listen names another"
)]
pub struct NoListener {
    address: SocketAddr,
    source: io::Error,
}

/// A server that listens, and does not answer yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on an address; port 0 picks a free one.
    ///
    /// # Errors
    /// If that is not possible.
    pub async fn bind(address: SocketAddr) -> Result<Self, NoListener> {
        let failed = |source| NoListener { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop`, and then those in flight, for eight seconds at most.
    pub async fn serve(self, app: App, stop: CancellationToken) {
        let app = Arc::new(app);
        let following = app.secret_files.clone().map(|files| {
            AbortOnDropHandle::new(tokio::spawn(renewal::follow(Arc::clone(&app), files)))
        });
        let router = router(&app);
        let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::SEND)
            .max_buf_size(limits::HEAD);
        let (graceful, connections) =
            (GracefulShutdown::new(), Arc::new(Semaphore::new(limits::CONNECTIONS)));
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let Some((stream, peer)) = taken(accepted).await else { continue };
            let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                // If even that cannot be sent, the client sees the connection end.
                let _ = stream.try_write(BUSY);
                continue;
            };
            // If this fails, a small last packet may wait 40 ms for an acknowledgement.
            let _ = stream.set_nodelay(true);
            let service = TowerToHyperService::new(with_peer(&router, peer));
            let connection = server.serve_connection(TokioIo::new(Wire::new(stream)), service);
            let connection = graceful.watch(connection.into_owned());
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error, "a connection broke off");
                }
                drop(permit);
            });
        }
        drop((self.socket, following));
        if clock::within(limits::LAST, graceful.shutdown()).await.is_err() {
            tracing::warn!("connections that were still open have been ended");
        }
    }
}

/// The router for one connection, whose requests say who has opened it.
fn with_peer(router: &Router, peer: SocketAddr) -> Router {
    Router::new().fallback_service(router.clone()).layer(Extension(Peer(peer)))
}

async fn taken(accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "failed to accept a connection: {error}");
            clock::pause(PAUSE).await;
            None
        }
    }
}
