//! A Redis server as far as reading tokens needs one: AUTH and GET, in RESP2.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

pub struct Redis {
    addr: SocketAddr,
    kept: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
    _task: AbortOnDropHandle<()>,
}

impl Redis {
    /// A server that wants this password of everybody.
    pub async fn start(password: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (kept, asked) = (Arc::default(), Arc::default());
        let shared = (Arc::clone(&kept), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, asked) = shared.clone();
                tokio::spawn(async move { serve(stream, password, &kept, &asked).await });
            }
        });
        Self { addr, kept, asked, _task: AbortOnDropHandle::new(task) }
    }

    pub fn url(&self, password: &str) -> String {
        format!("redis://:{password}@{}/0", self.addr)
    }

    pub fn set(&self, key: &str, value: &str) {
        self.kept.lock().unwrap().insert(key.to_owned(), value.to_owned());
    }

    /// The keys that were read, in order.
    pub fn read(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let gets = asked.iter().filter(|words| words[0].eq_ignore_ascii_case("get"));
        gets.map(|words| words[1].clone()).collect()
    }

    /// The commands that were given, in order, each once.
    pub fn commands(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for words in self.asked.lock().unwrap().iter() {
            let command = words[0].to_ascii_uppercase();
            if !all.contains(&command) {
                all.push(command);
            }
        }
        all
    }
}

async fn serve(
    stream: TcpStream,
    password: &str,
    kept: &Mutex<HashMap<String, String>>,
    asked: &Mutex<Vec<Vec<String>>>,
) {
    let mut stream = BufStream::new(stream);
    let mut is_known = false;
    while let Some(words) = command(&mut stream).await {
        let reply = match words[0].to_ascii_uppercase().as_str() {
            "AUTH" => {
                is_known = words.last().is_some_and(|given| given == password);
                match is_known {
                    true => "+OK\r\n".to_owned(),
                    false => "-WRONGPASS invalid username-password pair\r\n".to_owned(),
                }
            }
            _ if !is_known => "-NOAUTH Authentication required.\r\n".to_owned(),
            "GET" => match kept.lock().unwrap().get(&words[1]) {
                Some(value) => format!("${}\r\n{value}\r\n", value.len()),
                None => "$-1\r\n".to_owned(),
            },
            _ => "+OK\r\n".to_owned(),
        };
        asked.lock().unwrap().push(words);
        if stream.write_all(reply.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// The words of one command; `None` at the end of the stream.
async fn command(stream: &mut BufStream<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream, '*').await? {
        let length = number(stream, '$').await?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(length);
        words.push(String::from_utf8(word).ok()?);
    }
    Some(words)
}

async fn number(stream: &mut BufStream<TcpStream>, mark: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
