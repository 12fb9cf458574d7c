//! Serves the objects of one room over HTTP, with ranges, to a program on this machine that knows an
//! unguessable path.
//!
//! The program then needs neither the store's keys nor a signed URL, which any process on the machine
//! could read from its arguments, and it reaches the store wherever this process does. The server ends
//! with this process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::model::ObjectKey;
use crate::store::{RoomKeys, Store};

/// The longest request that is read, in bytes.
const LONGEST: u64 = 8 << 10;

/// Bytes read from the store at a time and held in memory.
const BLOCK: u64 = 4 << 20;

/// A running server, which stops when this is dropped.
#[derive(Debug)]
pub(super) struct Door {
    address: SocketAddr,
    secret: String,
    _task: AbortOnDropHandle<()>,
}

/// What is served.
#[derive(Debug)]
struct Room {
    store: Store,
    keys: RoomKeys,
    secret: String,
}

impl Door {
    /// Starts serving a room's objects.
    ///
    /// # Errors
    /// When no port is available.
    pub(super) async fn open(store: &Store, keys: &RoomKeys) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let secret = format!("{:032x}", rand::random::<u128>());
        let address = listener.local_addr()?;
        let room = Room { store: store.clone(), keys: keys.clone(), secret: secret.clone() };
        let task = AbortOnDropHandle::new(tokio::spawn(serve(listener, Arc::new(room))));
        Ok(Self { address, secret, _task: task })
    }

    /// The URL of an object, by its key relative to the room's folder.
    pub(super) fn url(&self, key: &str) -> String {
        format!("http://{}/{}/{key}", self.address, self.secret)
    }

    /// Removes the parts of the server's URLs from a text.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(&self.url(""), "")
    }
}

async fn serve(listener: TcpListener, room: Arc<Room>) {
    let mut answers = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let room = Arc::clone(&room);
        answers.spawn(async move {
            // A client that hangs up has read what it wanted.
            let _ = answer(socket, &room).await;
        });
        while answers.try_join_next().is_some() {}
    }
}

/// The relevant parts of a request.
struct Request {
    is_head: bool,
    path: String,
    /// The first and the last requested byte, if a range is requested.
    range: Option<(u64, Option<u64>)>,
}

async fn answer(mut socket: TcpStream, room: &Room) -> io::Result<()> {
    let (reading, mut writing) = socket.split();
    let Some(request) = read(reading).await? else { return Ok(()) };
    let Some((key, bytes)) = look_up(room, &request.path).await else {
        let nothing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return writing.write_all(nothing).await;
    };
    let range = match request.range {
        None => 0..bytes,
        Some((first, last)) => {
            let end = last.and_then(|last| last.checked_add(1)).map_or(bytes, |end| end.min(bytes));
            first.min(end)..end
        }
    };
    writing.write_all(head(&request, &range, bytes).as_bytes()).await?;
    if request.is_head {
        return Ok(());
    }
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min(at + BLOCK);
        let mut blocks: Vec<Bytes> = Vec::new();
        let read = room.store.read_range(&key, at..end, &mut blocks).await;
        read.map_err(io::Error::other)?;
        for block in blocks {
            writing.write_all(&block).await?;
        }
        at = end;
    }
    writing.shutdown().await
}

fn head(request: &Request, range: &Range<u64>, bytes: u64) -> String {
    let length = range.end - range.start;
    let status = match request.range {
        None => "200 OK\r\n".to_owned(),
        Some(_) if range.is_empty() => {
            format!("416 Range Not Satisfiable\r\nContent-Range: bytes */{bytes}\r\n")
        }
        Some(_) => {
            let last = range.end.saturating_sub(1);
            format!(
                "206 Partial Content\r\nContent-Range: bytes {}-{last}/{bytes}\r\n",
                range.start
            )
        }
    };
    format!(
        "HTTP/1.1 {status}Content-Length: {length}\r\nAccept-Ranges: bytes\r\nConnection: close\r\n\r\n"
    )
}

async fn read(from: impl tokio::io::AsyncRead + Unpin) -> io::Result<Option<Request>> {
    let mut lines = BufReader::new(from.take(LONGEST)).lines();
    let Some(first) = lines.next_line().await? else { return Ok(None) };
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (is_head, path) = (method == "HEAD", path.to_owned());
    if !is_head && method != "GET" {
        return Ok(None);
    }
    let mut range = None;
    while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("range") {
            range = value.trim().strip_prefix("bytes=").and_then(|value| {
                let (first, last) = value.split_once('-')?;
                Some((first.parse().ok()?, last.parse().ok()))
            });
        }
    }
    Ok(Some(Request { is_head, path, range }))
}

/// The object that a path names, and its size.
async fn look_up(room: &Room, path: &str) -> Option<(ObjectKey, u64)> {
    let relative = path.strip_prefix('/')?.strip_prefix(&room.secret)?.strip_prefix('/')?;
    let relative = relative.split(['?', '#']).next()?;
    let key = room.keys.resolve(relative)?;
    let head = room.store.head(&key).await.ok().flatten()?;
    Some((key, head.bytes))
}
