//! A strict S3 store for tests, written from the published protocol alone.
//!
//! It believes nothing: signatures, hashes, checksums, ETags, part sizes and the order of parts are
//! computed again and compared. What a client may not send is refused, and remembered among
//! [`StrictS3::violations`], so that a test can say that there was none.
//!
//! It differs by [`Provider`] where the real ones do. Choices where they leave one:
//! - `UNSIGNED-PAYLOAD` is refused but in presigned URLs and where a checksum of the body is given that
//!   the provider verifies; `aws-chunked` bodies are refused in every mode: COS and OSS do not take
//!   them.
//! - The bucket may stand in the path or in the host, in every mode.
//! - Its pages are small, so that whoever lists has to turn them.

mod call;
mod checksum;
mod fault;
mod listing;
mod multipart;
mod object;
mod provider;
mod qualify;
mod reply;
mod server;
mod signature;
mod state;
mod tests;
mod xml;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;

pub use fault::Effect;
pub use provider::{Conditions, Provider};
pub use state::md5_hex;
use state::{Object, State};

/// The only bucket there is.
pub const BUCKET: &str = "replays";
/// Who may use it.
pub const ACCESS_KEY: &str = "access";
/// The key that signs requests.
pub const SECRET_KEY: &str = "canary-store-secret-55e0";

/// A request the store got, in the order of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// The key, without the bucket.
    pub key: String,
    /// As it was sent.
    pub query: String,
    /// What was answered; 0 before that, and where no answer was sent.
    pub status: u16,
    /// The length of its body.
    pub bytes: usize,
    /// Whether it is to be carried out only if the object is, or is not, another.
    pub is_conditional: bool,
    /// Its place, among all that came and all that was answered, of its coming and of its answer.
    pub order: (u64, u64),
}

impl Request {
    /// Whether it was to change something.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.method != "HEAD"
    }

    /// Whether the query has this parameter.
    pub fn asks(&self, name: &str) -> bool {
        self.query.split('&').any(|pair| pair.split('=').next() == Some(name))
    }

    /// Whether it came only after another was answered: as if it had waited for that.
    pub fn waits_for(&self, other: &Self) -> bool {
        other.order.1 < self.order.0
    }
}

/// The place of what happens now among all that comes and is answered: see [`Request::order`].
pub fn turn() -> u64 {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    TURNS.fetch_add(1, Ordering::SeqCst)
}

/// How many of these requests follow one another at most, each coming after the one before it was
/// answered: the round trips that they cost. Never fewer than wait for one another; more by chance, where a
/// request is late to come, unless every answer takes its time: see [`StrictS3::slow_down`].
pub fn round_trips(requests: &[Request]) -> usize {
    let mut by_end: Vec<&Request> = requests.iter().collect();
    by_end.sort_by_key(|request| request.order.1);
    let mut longest: Vec<usize> = Vec::new();
    for (place, request) in by_end.iter().enumerate() {
        let before = (0..place).filter(|earlier| request.waits_for(by_end[*earlier]));
        longest.push(1 + before.map(|earlier| longest[earlier]).max().unwrap_or(0));
    }
    longest.into_iter().max().unwrap_or(0)
}

/// An unfinished upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub initiated: Timestamp,
    /// The sizes of its parts by number.
    pub parts: BTreeMap<u32, usize>,
}

struct Shared {
    provider: Provider,
    /// What objects and uploads are dated with.
    clock: Clock,
    state: Mutex<State>,
    faults: Mutex<Vec<fault::Fault>>,
    skew: Mutex<SignedDuration>,
    /// The path that the bucket lies below: empty, or `/…`.
    below: Mutex<String>,
    /// Whether nothing is written without a checksum, and nothing deleted.
    locked: AtomicBool,
    /// Whether the answers to writes prove nothing.
    mute: AtomicBool,
    /// How long every answer takes.
    latency: Mutex<Duration>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn is_mute(&self) -> bool {
        self.mute.load(Ordering::SeqCst)
    }

    /// The time that requests are judged by: clients sign with the time of this machine.
    fn wall(&self) -> Timestamp {
        Clock::system().now() + *self.skew.lock().unwrap()
    }
}

/// A running store with an empty bucket. It closes when dropped.
pub struct StrictS3 {
    shared: Arc<Shared>,
    pub addr: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for StrictS3 {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StrictS3 {
    /// Starts one on a free port of the loopback interface.
    pub async fn start(provider: Provider) -> Self {
        Self::with_clock(provider, Clock::system()).await
    }

    /// Starts one that dates objects and uploads by `clock`.
    pub async fn with_clock(provider: Provider, clock: Clock) -> Self {
        let shared = Arc::new(Shared {
            provider,
            clock,
            state: Mutex::default(),
            faults: Mutex::default(),
            skew: Mutex::new(SignedDuration::ZERO),
            below: Mutex::default(),
            locked: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            latency: Mutex::default(),
        });
        let (addr, task) = server::start(Arc::clone(&shared)).await;
        Self { shared, addr, task }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr())
    }

    /// Moves the store below a path, as behind a gateway: `/storage/v1/s3`. It is part of what requests
    /// are signed over.
    pub fn move_below(&self, path: &str) {
        path.clone_into(&mut self.shared.below.lock().unwrap());
    }

    /// Locks the bucket: every body has to come with a checksum, and nothing is deleted.
    pub fn lock(&self) {
        self.shared.locked.store(true, Ordering::SeqCst);
    }

    /// Has the answers to writes prove nothing: ETags are no MD5s, as of what is encrypted with a key of the
    /// bucket's, and no checksums are told. A look at the object tells them.
    pub fn prove_nothing(&self) {
        self.shared.mute.store(true, Ordering::SeqCst);
    }

    /// Sends every answer so much later, as over a long way.
    pub fn slow_down(&self, latency: Duration) {
        *self.shared.latency.lock().unwrap() = latency;
    }

    /// The objects by key.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        let state = self.shared.state();
        state.objects.iter().map(|(key, object)| (key.clone(), object.body.clone())).collect()
    }

    /// The metadata of an object, without `x-amz-meta-`.
    pub fn metadata(&self, key: &str) -> Option<BTreeMap<String, String>> {
        self.shared.state().objects.get(key).map(|object| object.labels.metadata.clone())
    }

    /// The unfinished uploads, in the order of their keys.
    pub fn uploads(&self) -> Vec<Upload> {
        let state = self.shared.state();
        let mut uploads: Vec<_> = state.uploads.values().map(state::Pending::summary).collect();
        uploads.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        uploads
    }

    /// Every request, in the order of the answers.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().requests.clone()
    }

    /// The requests since the last look.
    pub fn take(&self) -> Vec<Request> {
        let mut state = self.shared.state();
        let all = state.requests.len();
        let since = std::mem::replace(&mut state.taken, all);
        state.requests[since..].to_vec()
    }

    /// What clients did that they may not do.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// Puts an object there as if it had always been: damage, or somebody else's file.
    pub fn place(&self, key: &str, body: impl Into<Bytes>) {
        let now = self.shared.clock.now();
        self.shared.state().objects.insert(key.to_owned(), Object::plain(body.into(), now));
    }

    /// Changes the bytes of an object under the store's feet: it still tells what it told before,
    /// but for the length.
    pub fn rot(&self, key: &str, body: impl Into<Bytes>) {
        self.shared.state().objects.get_mut(key).unwrap().body = body.into();
    }

    /// Takes an object away; whether it was there.
    pub fn remove(&self, key: &str) -> bool {
        self.shared.state().objects.remove(key).is_some()
    }

    /// Begins an upload as somebody else would, at a time.
    pub fn begin_foreign_upload(&self, key: &str, initiated: Timestamp) -> String {
        self.shared.state().begin_upload(key, initiated, state::Announced::default())
    }

    /// Drops every unfinished upload, as a lifecycle rule would.
    pub fn expire_uploads(&self) {
        self.shared.state().uploads.clear();
    }

    /// Loses a part of every unfinished upload. Requests that name it are not held against the client.
    pub fn lose_part(&self, number: u32) {
        let mut state = self.shared.state();
        let lost =
            |upload: &mut state::Pending| upload.parts.remove(&number).map(|_| upload.key.clone());
        let keys: Vec<String> = state.uploads.values_mut().filter_map(lost).collect();
        state.excused.extend(keys);
    }

    /// Sets how far the store's clock is ahead of this machine's.
    pub fn skew(&self, ahead: SignedDuration) {
        *self.shared.skew.lock().unwrap() = ahead;
    }

    /// Answers with a status, and nothing else, where `refusal` says so of a method and a path.
    pub fn refuse(&self, refusal: impl Fn(&Method, &str) -> Option<StatusCode> + Send + 'static) {
        self.fault(move |request| {
            let method = Method::try_from(request.method.as_str()).unwrap();
            let status = refusal(&method, &format!("/{BUCKET}/{}", request.key))?.as_u16();
            Some(Effect::Refuse { status, code: "", retry_after: None })
        });
    }

    /// Has something go wrong where `fault` says so; the first that says so counts.
    pub fn fault(&self, fault: impl Fn(&Request) -> Option<Effect> + Send + 'static) {
        self.shared.faults.lock().unwrap().push(Box::new(fault));
    }

    /// Puts objects there as another program would, before the first request that `when` says so of.
    pub fn intrude(
        &self,
        objects: impl IntoIterator<Item = (String, Bytes)>,
        when: impl Fn(&Request) -> bool + Send + 'static,
    ) {
        let objects: Mutex<Vec<_>> = Mutex::new(objects.into_iter().collect());
        let shared = Arc::downgrade(&self.shared);
        self.fault(move |request| {
            let shared = shared.upgrade().filter(|_| when(request))?;
            for (key, body) in objects.lock().unwrap().drain(..) {
                let object = Object::plain(body, shared.clock.now());
                shared.state().objects.insert(key, object);
            }
            None
        });
    }

    /// Has nothing go wrong any more.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }
}
