//! A door before a server: it answers what a row tells it to, and passes on the rest.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use replay_archiver::retry;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    head: String,
    body: Vec<u8>,
}

impl Request {
    /// Whether it is of this method and has this text in its path or query.
    pub fn is(&self, method: &str, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }

    /// Whether its body has this text.
    pub fn says(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(text)
    }

    /// Where the range begins that is asked for.
    pub fn from(&self) -> usize {
        let range = self.header("range").and_then(|range| range.strip_prefix("bytes="));
        range.and_then(|range| range.split('-').next()?.parse().ok()).unwrap_or(0)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What a door answers in place of the server behind it.
#[derive(Debug, Clone)]
pub struct Reply {
    head: String,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    /// All at once.
    Full(Bytes),
    /// The first, and then the second for ever.
    Endless(Bytes, Bytes),
    /// So many bytes at a time, and a pause after each.
    Slow(Bytes, usize, Duration),
    /// Nothing, not even a head; the connection stays open.
    Silence,
}

impl Reply {
    fn new(status: u16, body: Body) -> Self {
        Self { head: format!("HTTP/1.1 {status} Told\r\nConnection: close\r\n"), body }
    }

    /// A reply whose length is told.
    pub fn full(status: u16, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self::new(status, Body::Full(body)).header("Content-Length", &length)
    }

    /// A reply that never ends.
    pub fn endless(status: u16, first: impl Into<Bytes>, again: impl Into<Bytes>) -> Self {
        Self::new(status, Body::Endless(first.into(), again.into()))
    }

    /// A reply whose length is told, and of which so many bytes come at a time.
    pub fn slow(status: u16, body: impl Into<Bytes>, step: usize, every: Duration) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self::new(status, Body::Slow(body, step, every)).header("Content-Length", &length)
    }

    /// Nothing at all.
    pub fn silence() -> Self {
        Self::new(200, Body::Silence)
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }
}

type Script = dyn Fn(&Request) -> Option<Reply> + Send + Sync;

struct Shared {
    upstream: SocketAddr,
    script: Mutex<Arc<Script>>,
    requests: Mutex<Vec<Request>>,
}

/// A door that stands open until it is dropped.
pub struct Door {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    _task: AbortOnDropHandle<()>,
}

impl Door {
    /// A door that passes everything on to the server at `upstream`.
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (script, requests) = (Mutex::new(pass_all()), Mutex::default());
        let shared = Arc::new(Shared { upstream, script, requests });
        let at_door = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&at_door);
                // The program may hang up at any time: that is often what a row is about.
                tokio::spawn(async move { drop(shared.serve(client).await) });
            }
        });
        Self { addr, shared, _task: AbortOnDropHandle::new(task) }
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
            retry::pause(Duration::from_millis(10)).await;
        }
        panic!("nobody ever asks for {part}");
    }

    /// The requests that came, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

fn pass_all() -> Arc<Script> {
    Arc::new(|_: &Request| None)
}

impl Shared {
    /// Serves one request: a connection is closed after its reply.
    async fn serve(&self, client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut client = BufReader::new(client);
        // The greeting of TLS, which is not spoken here.
        if client.fill_buf().await?.first() == Some(&0x16) {
            return Ok(());
        }
        let request = read(&mut client).await?;
        self.requests.lock().unwrap().push(request.clone());
        let script = Arc::clone(&self.script.lock().unwrap());
        match script(&request) {
            Some(reply) => reply.send(client.get_mut()).await,
            None => self.pass_on(&request, client.get_mut()).await,
        }
    }

    async fn pass_on(&self, request: &Request, client: &mut TcpStream) -> io::Result<()> {
        let mut server = TcpStream::connect(self.upstream).await?;
        let lines = request.head.trim_end().lines();
        let kept = lines.filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head: String = kept.flat_map(|line| [line, "\r\n"]).collect();
        server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await?;
        server.write_all(&request.body).await?;
        copy(&mut server, client).await?;
        client.shutdown().await
    }
}

/// A request, whose body has a length.
async fn read(client: &mut BufReader<TcpStream>) -> io::Result<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if client.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut words = head.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, target, head, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    client.read_exact(&mut request.body).await?;
    Ok(request)
}

impl Reply {
    async fn send(&self, client: &mut TcpStream) -> io::Result<()> {
        if !matches!(self.body, Body::Silence) {
            client.write_all(format!("{}\r\n", self.head).as_bytes()).await?;
        }
        match &self.body {
            Body::Full(body) => client.write_all(body).await?,
            Body::Endless(first, again) => {
                client.write_all(first).await?;
                loop {
                    client.write_all(again).await?;
                }
            }
            Body::Slow(body, step, every) => {
                for some in body.chunks(*step) {
                    client.write_all(some).await?;
                    retry::pause(*every).await;
                }
            }
            Body::Silence => drop(client.read_u8().await?),
        }
        client.shutdown().await
    }
}
