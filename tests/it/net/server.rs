//! A server that answers what a script says, one request a connection.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::model::MediaUrl;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy};
use tokio::net::{TcpListener, TcpStream};

use super::{Reply, Request};

/// What the greeting of TLS begins with, which is not spoken here.
const GREETING: u8 = 0x16;

type Script = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

/// A server that listens until its test ends. Clones are the same.
#[derive(Clone)]
pub struct Server {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Who answers what the script does not.
    upstream: Option<SocketAddr>,
    script: Mutex<Arc<Script>>,
    requests: Mutex<Vec<Request>>,
    greetings: AtomicUsize,
}

impl Server {
    /// A server that answers as `script` says.
    pub async fn start(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, move |request| Some(script(request))).await
    }

    /// A server before the one at `upstream`, to which it passes everything on so far.
    pub async fn before(upstream: SocketAddr) -> Self {
        Self::listen(Some(upstream), |_| None).await
    }

    async fn listen(
        upstream: Option<SocketAddr>,
        script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (script, requests): (Arc<Script>, _) = (Arc::new(script), Mutex::default());
        let (script, greetings) = (Mutex::new(script), AtomicUsize::default());
        let shared = Arc::new(Shared { upstream, script, requests, greetings });
        let listening = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&listening);
                // The client may hang up at any time: that is often what a test is about.
                tokio::spawn(async move { drop(shared.serve(client).await) });
            }
        });
        Self { addr, shared }
    }

    /// `127.0.0.1:port`, as a pattern of hosts.
    pub fn authority(&self) -> String {
        self.addr.to_string()
    }

    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    pub fn url(&self, path: &str) -> MediaUrl {
        MediaUrl::parse(&format!("http://{}{path}", self.addr)).unwrap()
    }

    /// From now on answers what `script` says, and passes on what it has no reply to.
    pub fn answer(&self, script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// Waits for a request with this text in its path or query.
    pub async fn is_asked(&self, part: &str) {
        for _ in 0..6_000 {
            if self.requests().iter().any(|request| request.target.contains(part)) {
                return;
            }
            clock::pause(Duration::from_millis(10)).await;
        }
        panic!("nobody ever asks for {part}");
    }

    /// The requests that came, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections began with a greeting of TLS.
    pub fn greetings(&self) -> usize {
        self.shared.greetings.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut client = BufReader::new(client);
        if client.fill_buf().await?.first() == Some(&GREETING) {
            self.greetings.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let request = Request::read(&mut client).await?;
        self.requests.lock().unwrap().push(request.clone());
        let script = Arc::clone(&self.script.lock().unwrap());
        match (script(&request), self.upstream) {
            (Some(reply), _) => reply.send(client.get_mut()).await,
            (None, Some(upstream)) => pass_on(upstream, &request, client.get_mut()).await,
            (None, None) => Ok(()),
        }
    }
}

async fn pass_on(
    upstream: SocketAddr,
    request: &Request,
    client: &mut TcpStream,
) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    let lines = request.head.trim_end().lines();
    let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await?;
    server.write_all(&request.body).await?;
    copy(&mut server, client).await?;
    client.shutdown().await
}
