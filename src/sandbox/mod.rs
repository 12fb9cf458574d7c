//! A WeChat live API, a media host and an S3 store for tests and trials, in one process.
//!
//! They behave as WeChat's documents and real payloads say, well enough that a WeChat client written by
//! someone else works with them. Nothing here uses the rest of the crate, so that an error in the
//! client cannot hide in its own test double. `docs/sandbox.md` tells how to control it and what a
//! scenario can say.
//!
//! - [`scenario`]: what the sandbox pretends, read from TOML.
//! - `content`, `media`: the bytes of media files, enlarged while they are read.
//! - `clock`, `world`, `address`: the time, the state, and the URLs.
//! - `server`, `request`, `reply`, `effect`: connections, requests, replies, and the faults in them.
//! - `guard`: who gets answers.
//! - `api`: the WeChat API. `vod`: the media host. `store`: the S3 store.

pub mod scenario;

mod clock;
mod content;
mod media;

mod address;
mod world;

mod effect;
mod guard;
mod reply;
mod request;
mod server;

mod api;
mod store;
mod vod;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;

use api::Answer;
use request::Incoming;
use scenario::{Listener, Scenario};
use server::{Peer, Server, Wire, bind};
use world::{Shared, World};

pub use clock::SandboxClock;
pub use request::Call;
pub use store::EmbeddedStore;

/// Why a sandbox or a store failed to start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Listening on an address failed.
    #[error(
        "cannot listen on {addr}\nhint: is another program using the port? port 0 picks a free one [RA601]"
    )]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A listener without an address.
    #[error("a listener has no address")]
    Serve(#[source] io::Error),
    /// The bucket's directory cannot be created.
    #[error("cannot make the bucket's directory {}", path.display())]
    StoreRoot {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store cannot use its directory.
    #[error("cannot keep a store in {}: {message}", path.display())]
    Store {
        /// The directory.
        path: PathBuf,
        /// The message of the store's library.
        message: String,
    },
}

/// Where a sandbox listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The WeChat API; port 0 picks a free one.
    pub api: SocketAddr,
    /// The media host; port 0 picks a free one.
    pub vod: SocketAddr,
}

impl Default for Listen {
    /// Free ports on 127.0.0.1.
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { api: free, vod: free }
    }
}

/// A running WeChat API and media host. Dropping it stops both, connections included.
#[derive(Debug)]
pub struct Sandbox {
    shared: Shared,
    api: Server,
    vod: Server,
}

impl Sandbox {
    /// Starts both servers with a scenario.
    ///
    /// # Errors
    /// When listening on an address fails.
    pub async fn start(scenario: Scenario, listen: Listen) -> Result<Self, SandboxError> {
        let (api, vod) = (bind(listen.api).await?, bind(listen.vod).await?);
        let media_host = vod.local_addr().map_err(SandboxError::Serve)?;
        let clock = SandboxClock::new(scenario.now);
        let shared = Shared::new(World::new(scenario, clock, media_host));
        Ok(Self {
            api: run(api, shared.clone(), Listener::Api)?,
            vod: run(vod, shared.clone(), Listener::Vod)?,
            shared,
        })
    }

    /// The address of the WeChat API.
    pub fn api_addr(&self) -> SocketAddr {
        self.api.addr()
    }

    /// The address of the media host.
    pub fn vod_addr(&self) -> SocketAddr {
        self.vod.addr()
    }

    /// The sandbox's clock, to read and set.
    pub fn clock(&self) -> SandboxClock {
        self.shared.lock().clock.clone()
    }

    /// The requests answered so far, in order, except those to `/sandbox/…`.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// The ticket that WeChat pushed to the third-party platform last; empty without a platform.
    pub fn ticket(&self) -> String {
        let world = self.shared.lock();
        let platform = world.scenario.platform.as_ref();
        platform.map(|one| api::component::ticket(one, world.clock.now())).unwrap_or_default()
    }

    /// Changes the scenario while it runs; the next request sees the change.
    pub fn update(&self, change: impl FnOnce(&mut Scenario)) {
        change(&mut self.shared.lock().scenario);
    }
}

/// What one of the two servers needs to answer a request.
#[derive(Debug, Clone)]
struct Front {
    shared: Shared,
    listener: Listener,
    /// The address it listens on.
    local: SocketAddr,
    peer: Peer,
}

fn run(
    socket: tokio::net::TcpListener,
    shared: Shared,
    listener: Listener,
) -> Result<Server, SandboxError> {
    let local = socket.local_addr().map_err(SandboxError::Serve)?;
    Server::run(socket, move |wire| {
        let front = Front { shared: shared.clone(), listener, local, peer: wire.peer() };
        serve(Router::new().fallback(answer).with_state(front), wire)
    })
}

async fn serve(router: Router, wire: Wire) {
    let service = TowerToHyperService::new(router);
    let connection = auto::Builder::new(TokioExecutor::new()).http1_only();
    if let Err(error) = connection.serve_connection(TokioIo::new(wire), service).await {
        // Scripted faults end connections this way, and so do clients that stop reading.
        tracing::debug!(error, "a connection to the sandbox broke off");
    }
}

async fn answer(State(front): State<Front>, request: Request<Body>) -> Response<Body> {
    let Front { shared, listener, local, peer } = front;
    let request = Incoming::read(request, peer.addr.ip()).await;
    let refusal = guard::refusal(&request, listener, local, &shared.lock().scenario.vod.base);
    if let Some(reply) = refusal {
        return reply.send(peer).await;
    }
    if listener == Listener::Api && guard::is_admin(&request.path) {
        let reply = api::admin(&mut shared.lock(), &request);
        return reply.send(peer).await;
    }
    let Answer { reply, fault } = match listener {
        Listener::Api => api::answer(&mut shared.lock(), &request),
        Listener::Vod => vod::answer(&shared, &request).await,
    };
    {
        let mut world = shared.lock();
        let at = world.clock.now();
        world.calls.push(Call::new(&request, listener, at, reply.status.as_u16(), fault));
    }
    reply.send(peer).await
}
