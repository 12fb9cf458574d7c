//! A proxy for plain HTTP/1.1 that stops at a phase of a request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::name::name;
use super::strike::{Phase, Watch};

/// A door to a server. It closes when dropped.
pub struct Proxy {
    pub addr: SocketAddr,
    /// Bytes of reply bodies that were passed on.
    transferred: Arc<AtomicU64>,
    _task: AbortOnDropHandle<()>,
}

impl Proxy {
    /// A proxy for the server at `upstream`; `server` is what its requests are called after.
    pub async fn start(server: &'static str, upstream: SocketAddr, watch: &Arc<Watch>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let transferred = Arc::new(AtomicU64::new(0));
        let (watch, counter) = (Arc::clone(watch), Arc::clone(&transferred));
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (watch, transferred) = (Arc::clone(&watch), Arc::clone(&counter));
                let door = Door { server, upstream, watch, transferred };
                let life = door.watch.life();
                tokio::spawn(async move {
                    // A connection that breaks off is what this is about.
                    life.run_until_cancelled(door.serve(client)).await.map(Result::ok)
                });
            }
        });
        Self { addr, transferred, _task: AbortOnDropHandle::new(task) }
    }

    pub fn transferred(&self) -> u64 {
        self.transferred.load(Ordering::Relaxed)
    }
}

struct Door {
    server: &'static str,
    upstream: SocketAddr,
    watch: Arc<Watch>,
    transferred: Arc<AtomicU64>,
}

impl Door {
    async fn serve(self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let (read, mut write) = client.split();
        let mut read = BufReader::new(read);
        while let Some(head) = Head::read(&mut read).await? {
            let mut body = vec![0; head.length().unwrap_or(0)];
            assert!(!head.is_chunked(), "a body of unknown length: {}", head.text);
            read.read_exact(&mut body).await?;
            let request = self.watch.number(&name(self.server, &head, &body));
            self.watch.reach(&request, Phase::Before).await;
            let mut server = TcpStream::connect(self.upstream).await?;
            server.set_nodelay(true)?;
            server.write_all(head.text.as_bytes()).await?;
            if body.len() > 1 {
                server.write_all(&body[..body.len() / 2]).await?;
                self.watch.reach(&request, Phase::HalfSent).await;
                body.drain(..body.len() / 2);
            }
            server.write_all(&body).await?;
            let (reply, body) = reply(&mut server, head.line().starts_with("HEAD ")).await?;
            self.watch.reach(&request, Phase::Done).await;
            write.write_all(reply.text.as_bytes()).await?;
            self.pass_on(&request, &mut write, &body).await?;
            self.watch.reach(&request, Phase::After).await;
        }
        Ok(())
    }

    async fn pass_on(
        &self,
        request: &str,
        client: &mut (impl AsyncWrite + Unpin),
        body: &[u8],
    ) -> io::Result<()> {
        let middle = body.len() / 2;
        for (at, slice) in [(0, &body[..middle]), (middle, &body[middle..])] {
            if at > 0 {
                self.watch.reach(request, Phase::HalfReplied).await;
            }
            for some in slice.chunks(256 << 10) {
                self.watch.pass().await;
                client.write_all(some).await?;
                self.transferred.fetch_add(some.len() as u64, Ordering::Relaxed);
            }
        }
        client.flush().await
    }
}

/// The start of a request or a reply, up to the empty line.
pub struct Head {
    pub text: String,
}

impl Head {
    /// The next head; `None` when the connection has ended.
    async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            if from.read_line(&mut text).await? == 0 {
                return if text.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
        Ok(Some(Self { text }))
    }

    pub fn line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let fields = self.text.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields
            .into_iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some()
    }

    fn status(&self) -> &str {
        self.line().split(' ').nth(1).unwrap_or_default()
    }
}

/// The final reply with its body as it stands on the wire.
async fn reply(server: &mut TcpStream, to_head: bool) -> io::Result<(Head, Vec<u8>)> {
    let mut server = BufReader::new(server);
    let head = loop {
        let head = Head::read(&mut server).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if !head.status().starts_with('1') {
            break head;
        }
    };
    let mut body = Vec::new();
    if to_head || ["204", "304"].contains(&head.status()) {
        return Ok((head, body));
    }
    if let Some(length) = head.length() {
        body.resize(length, 0);
        server.read_exact(&mut body).await?;
    } else if head.is_chunked() {
        chunks(&mut server, &mut body).await?;
    } else {
        server.read_to_end(&mut body).await?;
    }
    Ok((head, body))
}

/// A chunked body, its framing included.
async fn chunks(server: &mut (impl AsyncBufRead + Unpin), body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        server.read_line(&mut line).await?;
        let size = usize::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16);
        let size = size.map_err(|_| io::ErrorKind::InvalidData)?;
        body.extend_from_slice(line.as_bytes());
        let from = body.len();
        // No trailers are sent here: the end is an empty line as well.
        body.resize(from + size + 2, 0);
        server.read_exact(&mut body[from..]).await?;
        if size == 0 {
            return Ok(());
        }
    }
}
