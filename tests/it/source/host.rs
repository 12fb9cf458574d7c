//! A media host on loopback that answers by a script, byte by byte as the script says.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replay_archiver::model::MediaUrl;
use replay_archiver::retry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as the host received it.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    head: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub fn range(&self) -> Option<Range<usize>> {
        let value = self.header("range")?;
        let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
        Some(first.parse().ok()?..last.parse::<usize>().ok()? + 1)
    }
}

/// What a host answers to each request.
pub type Script = fn(&Request) -> Reply;

/// What the host answers, and whether it then keeps the connection open in silence.
pub struct Reply {
    head: String,
    body: Vec<u8>,
    then_silent: bool,
    is_dripping: bool,
}

impl Reply {
    pub fn new(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
        Self { head, body: Vec::new(), then_silent: false, is_dripping: false }
    }

    /// Nothing: the connection is closed.
    pub fn hang_up() -> Self {
        Self { head: String::new(), ..Self::new(200) }
    }

    /// Nothing, on a connection that stays open.
    pub fn silent() -> Self {
        Self { then_silent: true, ..Self::hang_up() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The same reply with another text in its headers.
    pub fn replace(mut self, text: &str, other: &str) -> Self {
        assert!(self.head.contains(text));
        self.head = self.head.replace(text, other);
        self
    }

    pub fn body(self, body: &[u8]) -> Self {
        self.cut_body(body, body.len())
    }

    /// Announces all of `body` and sends `sent` bytes of it.
    pub fn cut_body(self, body: &[u8], sent: usize) -> Self {
        let announced = self.header("Content-Length", &body.len().to_string());
        Self { body: body[..sent].to_vec(), ..announced }
    }

    /// Announces all of `body`, sends `sent` bytes of it, and falls silent.
    pub fn stalled_body(self, body: &[u8], sent: usize) -> Self {
        Self { then_silent: true, ..self.cut_body(body, sent) }
    }

    /// Sends `body` without telling its length: it ends with the connection.
    pub fn unsized_body(self, body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..self }
    }

    /// Sends `body` a byte at a time, a few in a second, without telling its length.
    pub fn dripping_body(self, body: &[u8]) -> Self {
        Self { is_dripping: true, ..self.unsized_body(body) }
    }
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    greetings: usize,
}

/// A host that listens until its test ends.
pub struct Host {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Host {
    pub async fn start(script: Script) -> Self {
        Self::start_with(script).await
    }

    pub async fn start_with(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (script, seen) = (Arc::new(script), host.seen.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (script, seen) = (script.clone(), seen.clone());
                tokio::spawn(async move { answer(socket, &*script, &seen).await });
            }
        });
        host
    }

    /// `127.0.0.1:port`, as a pattern of hosts.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> MediaUrl {
        MediaUrl::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// The requests that came, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// How many connections began with a TLS greeting, which this host does not understand.
    pub fn greetings(&self) -> usize {
        self.seen.lock().unwrap().greetings
    }
}

async fn answer(
    mut socket: TcpStream,
    script: &(dyn Fn(&Request) -> Reply + Send + Sync),
    seen: &Mutex<Seen>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
        if head.first() == Some(&0x16) {
            seen.lock().unwrap().greetings += 1;
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let request = Request { path, head };
    let reply = script(&request);
    seen.lock().unwrap().requests.push(request);
    if !reply.head.is_empty() {
        // The client may hang up early; that is its own affair.
        let _ = socket.write_all(format!("{}\r\n", reply.head).as_bytes()).await;
        if reply.is_dripping {
            return drip(socket, &reply.body).await;
        }
        let _ = socket.write_all(&reply.body).await;
    }
    if reply.then_silent {
        let _ = socket.read_u8().await;
    }
    let _ = socket.shutdown().await;
}

async fn drip(mut socket: TcpStream, body: &[u8]) {
    for byte in body {
        if socket.write_u8(*byte).await.is_err() {
            return;
        }
        retry::pause(Duration::from_millis(40)).await;
    }
}
