//! A media host that holds what a test puts on it, and a world whose one broadcast lies there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use replay_archiver::pipeline::Selection;
use serde_json::Value;

use super::super::world::{Night, World};
use crate::bucket::text;
use crate::net::{Reply, Request, Server};

const WHOLE: &[u8] = include_bytes!("../../../../src/sandbox/media/whole.ts");
const CHUNKS: &str = include_str!("../../../../src/sandbox/media/whole.chunks");

/// What the host answers to one target.
#[derive(Debug, Clone)]
pub enum Answer {
    Bytes(Vec<u8>),
    /// The same without a length: it ends with the connection.
    Unsized(Vec<u8>),
    /// Ranges come with this after them for a total, or without a word where it is empty.
    Vague(Vec<u8>, &'static str),
    Status(u16),
    Redirect(String),
    /// These one after the other, the last for ever.
    InTurn(Vec<Answer>),
}

impl Answer {
    fn next(&mut self) -> Self {
        match self {
            Self::InTurn(turns) if turns.len() > 1 => turns.remove(0),
            Self::InTurn(turns) => turns[0].clone(),
            other => other.clone(),
        }
    }
}

/// What lies where: by path, and query where there is one.
#[derive(Debug, Clone, Default)]
pub struct Shelf(Arc<Mutex<BTreeMap<String, Answer>>>);

impl Shelf {
    pub fn put(&self, target: &str, answer: Answer) {
        self.0.lock().unwrap().insert(target.to_owned(), answer);
    }

    pub fn bytes(&self, target: &str, bytes: impl Into<Vec<u8>>) {
        self.put(target, Answer::Bytes(bytes.into()));
    }

    pub fn redirect(&self, target: &str, to: &str) {
        self.put(target, Answer::Redirect(to.to_owned()));
    }

    /// A playlist of these chunks, which lie beside it as `0.ts`, `1.ts` …, whatever they are.
    pub fn broadcast(&self, playlist: &str, chunks: &[Vec<u8>]) {
        let folder = playlist.rsplit_once('/').unwrap().0;
        let mut lines = String::new();
        for (number, chunk) in chunks.iter().enumerate() {
            self.bytes(&format!("{folder}/{number}.ts"), chunk.clone());
            lines.push_str(&format!("#EXTINF:2,\n{number}.ts\n"));
        }
        self.bytes(playlist, media(&lines));
    }

    fn answer(&self, request: &Request) -> Reply {
        let mut shelf = self.0.lock().unwrap();
        let answer = shelf.get_mut(&request.target).map(Answer::next);
        match answer.as_ref() {
            Some(Answer::Bytes(bytes)) => match request.range() {
                Some(range) if !bytes.is_empty() => {
                    let end = range.end.min(bytes.len());
                    let told = format!("bytes {}-{}/{}", range.start, end - 1, bytes.len());
                    let reply = Reply::new(206).header("Content-Range", &told);
                    reply.body(&bytes[range.start..end])
                }
                _ => Reply::new(200).body(bytes),
            },
            Some(Answer::Vague(bytes, total)) => match request.range() {
                Some(range) => {
                    let end = range.end.min(bytes.len());
                    let told = format!("bytes {}-{}{total}", range.start, end - 1);
                    let reply = Reply::new(206).body(&bytes[range.start..end]);
                    if total.is_empty() { reply } else { reply.header("Content-Range", &told) }
                }
                None => Reply::new(200).body(bytes),
            },
            Some(Answer::Unsized(bytes)) => Reply::new(200).unsized_body(bytes),
            Some(Answer::Status(status)) => Reply::new(*status).body(b""),
            Some(Answer::Redirect(to)) => Reply::new(302).header("Location", to).body(b""),
            Some(Answer::InTurn(_)) => panic!("turns within turns"),
            None => Reply::new(404).body(b"nothing here"),
        }
    }
}

/// A finished playlist with these lines.
pub fn media(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n")
}

/// A chunk of a real segment, 2 s long, by its number.
pub fn chunk(number: usize) -> Vec<u8> {
    let mut fields = CHUNKS.lines().nth(number).unwrap().split(' ').skip(1);
    let [start, last] = [(); 2].map(|()| fields.next().unwrap().parse::<usize>().unwrap());
    WHOLE[start..=last].to_vec()
}

/// A room whose one recording is the broadcast behind a path of the host.
pub struct Broadcast {
    pub world: World,
    pub shelf: Shelf,
    pub host: Server,
}

impl Broadcast {
    pub async fn at(path: &str) -> Self {
        Self::listed(path, "").await
    }

    /// The same with more lines of the recording in the scenario.
    pub async fn listed(path: &str, rest: &str) -> Self {
        let shelf = Shelf::default();
        let held = shelf.clone();
        let host = Server::start(move |request| held.answer(request)).await;
        let scenario = format!(
            "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nkind = \"whole\"\n\
             media_url = \"http://{}{path}\"\n{rest}",
            host.authority()
        );
        let settings = format!(
            "[media]\nallow_hosts = [\"{}\"]\nread_timeout = \"4s\"\n[transfer]\nranges = 1\n",
            host.authority()
        );
        let world = World::with_settings(&scenario, &settings).await;
        Self { world, shelf, host }
    }

    pub async fn night(&self) -> Night {
        self.world.night(&Selection::Due, |_| {}).await
    }

    /// The targets that were asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.host.requests().into_iter().map(|request| request.target).collect()
    }
}

pub fn whole(night: &Night) -> Value {
    night.bucket.manifest(1)["whole"].clone()
}

/// The bytes of the stored chunks, in order.
pub fn stored(night: &Night) -> Vec<Vec<u8>> {
    let whole = whole(night);
    let chunks = whole["chunks"].as_array().unwrap().iter();
    let key = |chunk: &Value| format!("live/wx1/rooms/1/{}", text(&chunk["key"]));
    chunks.map(|chunk| night.bucket.objects[&key(chunk)].clone()).collect()
}
