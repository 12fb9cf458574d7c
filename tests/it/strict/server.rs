//! Listening, and connections that can be cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::Response;
use axum::serve::{IncomingStream, Listener};
use replay_archiver::clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::Shared;
use super::call::Call;
use super::fault::Effect;
use super::reply::{Refusal, Reply};

/// Serves until the task is aborted; connections end with their clients.
pub async fn start(shared: Arc<Shared>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = Router::new().fallback(answer).with_state(shared);
    let service = router.into_make_service_with_connect_info::<Scissors>();
    let task = tokio::spawn(async move {
        axum::serve(Wires(listener), service).await.unwrap();
    });
    (addr, task)
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: axum::extract::Request,
) -> Response<Body> {
    let came = super::turn();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        // The client broke off.
        scissors.cut();
        return Response::default();
    };
    let call = Call::new(parts, body, &shared.below.lock().unwrap());
    let mut record = call.record();
    record.order.0 = came;
    let effect = {
        let faults = shared.faults.lock().unwrap();
        faults.iter().find_map(|fault| fault(&record))
    };
    let reply = match &effect {
        Some(Effect::Stall) => {
            shared.state().requests.push(record);
            return std::future::pending().await;
        }
        Some(Effect::Hang) => {
            shared.handle(&call, None);
            shared.state().requests.push(record);
            return std::future::pending().await;
        }
        Some(Effect::ResetBefore) => None,
        Some(Effect::Refuse { status, code, retry_after }) => {
            Some(refused(&call, *status, code, *retry_after))
        }
        Some(Effect::Deny { status, code }) => {
            shared.handle(&call, None);
            Some(refused(&call, *status, code, None))
        }
        Some(Effect::OkError { code }) => {
            Some(Refusal::fair(200, code, "We encountered an internal error.").reply(&call.key))
        }
        _ => {
            let reply = shared.handle(&call, effect.as_ref());
            (effect != Some(Effect::LostReply)).then_some(reply)
        }
    };
    record.status = reply.as_ref().map_or(0, |reply| reply.status);
    let latency = *shared.latency.lock().unwrap();
    if !latency.is_zero() {
        // In two steps: what was on its way while this machine stood still comes in between.
        clock::pause(latency / 2).await;
        clock::pause(latency / 2).await;
    }
    record.order.1 = super::turn();
    shared.state().requests.push(record);
    let Some(mut reply) = reply else {
        scissors.cut();
        return Response::default();
    };
    if call.method == "HEAD" && reply.status >= 300 {
        reply.body.clear();
    }
    reply.set("date", shared.wall().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    reply.into_response()
}

fn refused(call: &Call, status: u16, code: &'static str, retry_after: Option<u64>) -> Reply {
    let mut reply = if code.is_empty() {
        Reply::empty(status)
    } else {
        Refusal::fair(status, code, "It was to go wrong.").reply(&call.key)
    };
    if let Some(seconds) = retry_after {
        reply.set("retry-after", seconds.to_string());
    }
    reply
}

/// Accepts connections that can be cut.
struct Wires(TcpListener);

impl Listener for Wires {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.0).await;
        stream.set_nodelay(true).unwrap();
        (Wire { stream, scissors: Scissors::default() }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Cuts a connection.
#[derive(Debug, Clone, Default)]
struct Scissors(Arc<AtomicBool>);

impl Scissors {
    /// Has the connection reset instead of sending anything more.
    fn cut(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Wires>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, Wires>) -> Self {
        stream.io().scissors.clone()
    }
}

struct Wire {
    stream: TcpStream,
    scissors: Scissors,
}

impl Wire {
    fn whole(&self) -> io::Result<()> {
        if !self.scissors.0.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
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
        self.whole()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
