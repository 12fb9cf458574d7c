//! A proxy before a server of any protocol: it can be shut for a while, and lose replies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

#[derive(Default)]
struct State {
    is_shut: bool,
    /// The first reply that holds this does not arrive, and its connection breaks.
    lost: Option<Vec<u8>>,
    turned_away: u32,
    connections: Vec<AbortHandle>,
}

/// A proxy to the server at an address. It closes when dropped.
pub struct Proxy {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.shut();
    }
}

impl Proxy {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut inside = shared.lock().unwrap();
                if inside.is_shut {
                    inside.turned_away += 1;
                    continue;
                }
                let passing = tokio::spawn(pass(client, server, Arc::clone(&shared)));
                inside.connections.push(passing.abort_handle());
            }
        });
        Self { addr, state, task: task.abort_handle() }
    }

    /// Cuts every connection and lets nobody in.
    pub fn shut(&self) {
        let mut state = self.state.lock().unwrap();
        state.is_shut = true;
        state.connections.drain(..).for_each(|connection| connection.abort());
    }

    pub fn open(&self) {
        self.state.lock().unwrap().is_shut = false;
    }

    /// How many were not let in.
    pub fn turned_away(&self) -> u32 {
        self.state.lock().unwrap().turned_away
    }

    /// Loses the next reply that holds these bytes.
    pub fn lose(&self, reply: &[u8]) {
        self.state.lock().unwrap().lost = Some(reply.to_vec());
    }

    /// Whether that reply was lost.
    pub fn has_lost(&self) -> bool {
        self.state.lock().unwrap().lost.is_none()
    }
}

async fn pass(client: TcpStream, server: SocketAddr, state: Arc<Mutex<State>>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // Where one side ends, both do.
    tokio::select! {
        () = pump(from_client, to_server, |_| true) => {}
        () = pump(from_server, to_client, |reply| {
            let mut state = state.lock().unwrap();
            let holds = |lost: &mut Vec<u8>| reply.windows(lost.len()).any(|part| part == lost);
            state.lost.take_if(holds).is_none()
        }) => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, arrives: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !arrives(&buffer[..read]) || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
