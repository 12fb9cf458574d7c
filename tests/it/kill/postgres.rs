//! A proxy for PostgreSQL's protocol that stops at a phase of a statement that changes something.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use super::name::statement;
use super::strike::{Phase, Watch};

/// A door to a database server. It closes when dropped.
pub struct PostgresProxy {
    pub addr: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl PostgresProxy {
    pub async fn start(upstream: SocketAddr, watch: &Arc<Watch>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let watch = Arc::clone(watch);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (watch, life) = (Arc::clone(&watch), watch.life());
                tokio::spawn(async move {
                    life.run_until_cancelled(serve(client, upstream, &watch)).await.map(Result::ok)
                });
            }
        });
        Self { addr, _task: AbortOnDropHandle::new(task) }
    }
}

/// Round by round: what the program sends up to the point where it waits, and the reply to it.
async fn serve(client: TcpStream, upstream: SocketAddr, watch: &Watch) -> io::Result<()> {
    let server = TcpStream::connect(upstream).await?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
    }
    let (mut client, mut server) = (BufReader::new(client), BufReader::new(server));
    // The first message has no type.
    let mut first = vec![0; 4];
    client.read_exact(&mut first).await?;
    first.resize(u32::from_be_bytes(first[..4].try_into().unwrap()) as usize, 0);
    client.read_exact(&mut first[4..]).await?;
    server.write_all(&first).await?;
    let reply = messages(&mut server, b"Z", |_, _| {}).await?;
    client.write_all(&reply).await?;
    let mut statements: HashMap<Vec<u8>, String> = HashMap::new();
    loop {
        let mut change = None;
        let round = messages(&mut client, b"SQX", |kind, body| {
            change = change.take().or(look(&mut statements, kind, body));
        });
        let round = round.await?;
        let change = change.map(|name| watch.number(&name));
        let reach = async |phase| match &change {
            Some(change) => watch.reach(change, phase).await,
            None => watch.pass().await,
        };
        reach(Phase::Before).await;
        server.write_all(&round).await?;
        if round.first() == Some(&b'X') {
            return Ok(());
        }
        let reply = messages(&mut server, b"Z", |_, _| {}).await?;
        reach(Phase::Done).await;
        client.write_all(&reply).await?;
        reach(Phase::After).await;
    }
}

/// Remembers a statement that is prepared; the name of one that is executed and changes something.
fn look(statements: &mut HashMap<Vec<u8>, String>, kind: u8, body: &[u8]) -> Option<String> {
    let mut texts = body.split(|byte| *byte == 0);
    let mut text = || texts.next().unwrap_or_default().to_vec();
    match kind {
        b'P' => {
            let (name, sql) = (text(), text());
            statements.insert(name, String::from_utf8_lossy(&sql).into_owned());
            None
        }
        b'B' => {
            let (_portal, name) = (text(), text());
            statement(&statements[&name])
        }
        b'Q' => statement(&String::from_utf8_lossy(&text())),
        _ => None,
    }
}

/// Messages up to one of the kinds in `last`, that one included.
async fn messages(
    from: &mut (impl AsyncRead + Unpin),
    last: &[u8],
    mut look: impl FnMut(u8, &[u8]),
) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let at = all.len();
        all.resize(at + 5, 0);
        from.read_exact(&mut all[at..]).await?;
        let length = u32::from_be_bytes(all[at + 1..at + 5].try_into().unwrap()) as usize;
        all.resize(at + 1 + length, 0);
        from.read_exact(&mut all[at + 5..]).await?;
        look(all[at], &all[at + 5..]);
        if last.contains(&all[at]) {
            return Ok(all);
        }
    }
}
