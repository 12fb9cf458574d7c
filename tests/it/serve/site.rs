//! A server over a strict store, with rooms of the test's own making.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;
use replay_archiver::model::{AppId, Sha256Digest};
use replay_archiver::playback::{Lasting, LinkKey};
use replay_archiver::retry::Policy;
use replay_archiver::serve::{Accounts, App, Delivery, Listener, Settings, Tokens};
use replay_archiver::store::{self, Addressing, BodySigning, ChecksumMode, Credentials, Store};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::canaries;
use crate::strict::{ACCESS_KEY, BUCKET, Provider, SECRET_KEY, StrictS3};

/// Sees everything.
pub const TOKEN: &str = "canary-serve-token-0123456789abcdef";
/// Sees `wx1`.
pub const TOKEN_OF_ONE: &str = "canary-serve-one-token-0123456789abc";

/// The bytes of a film: which one, and where in it, shows in each.
pub fn film(number: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at % 251) as u8 ^ number).collect()
}

/// A CRC-64 as manifests have it.
pub fn crc(algorithm: crc_fast::CrcAlgorithm, bytes: &[u8]) -> String {
    format!("{:016x}", crc_fast::checksum(algorithm, bytes))
}

pub struct Site {
    pub store: StrictS3,
    pub clock: Clock,
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub serving: JoinHandle<()>,
    client: reqwest::Client,
}

impl Site {
    /// A server for anybody on this machine, through which films pass.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with tokens.
    pub async fn with_tokens() -> Self {
        Self::with(|settings| settings.tokens = Some(tokens())).await
    }

    pub async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::at(Provider::Aws, change).await
    }

    /// The same over another store.
    pub async fn at(provider: Provider, change: impl FnOnce(&mut Settings)) -> Self {
        canaries::watch_logs();
        let store = StrictS3::start(provider).await;
        publish(&store);
        let mut settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            tokens: None,
            link_key: LinkKey::random(),
            secret_files: None,
            delivery: Delivery::Proxy,
            link_ttl: Duration::from_secs(3600),
            lasting: Lasting::Limited,
            public_url: None,
        };
        change(&mut settings);
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.address();
        let accounts: BTreeSet<AppId> = ["wx1", "wx2"].map(|appid| appid.parse().unwrap()).into();
        let clock = Clock::manual(Clock::system().now());
        let accounts = Accounts::Fixed(accounts);
        let app = App::new(&client(&store).await, accounts, settings, clock.clone());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(app, stop.clone()));
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { store, clock, address, stop, serving, client }
    }

    pub fn url(&self, path: &str) -> String {
        match path.strip_prefix('/') {
            Some(path) => format!("http://{}/{path}", self.address),
            None => path.to_owned(),
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// The answer to a GET.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// The answer to a GET with a header.
    pub async fn get_with(&self, path: &str, name: &str, value: &str) -> Response {
        self.request(Method::GET, path).header(name, value).send().await.unwrap()
    }

    pub async fn status(&self, path: &str) -> u16 {
        self.get(path).await.status().as_u16()
    }

    /// The JSON of a good answer.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    pub async fn playback(&self, room: u64) -> Value {
        self.json(&format!("/api/v1/accounts/wx1/rooms/{room}/playback")).await
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    /// Changes the manifest of room 1.
    pub fn change_manifest(&self, change: impl FnOnce(&mut Value)) {
        self.change_manifest_of(1, change);
    }

    /// Changes the manifest of a room.
    pub fn change_manifest_of(&self, room: u64, change: impl FnOnce(&mut Value)) {
        let key = format!("live/wx1/rooms/{room}/manifest.json");
        let mut manifest: Value = serde_json::from_slice(&self.store.objects()[&key]).unwrap();
        change(&mut manifest);
        self.store.place(&key, manifest.to_string());
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub fn tokens() -> Tokens {
    Tokens::parse(&format!("{TOKEN}\n{TOKEN_OF_ONE} wx1\n")).unwrap()
}

async fn client(store: &StrictS3) -> Store {
    let settings = store::Settings {
        bucket: BUCKET.to_owned(),
        prefix: "live".to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: store.endpoint().parse().ok(),
        addressing: Addressing::Path,
        credentials: Credentials::Static {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.into(),
            session_token: None,
        },
        checksum: ChecksumMode::Auto,
        sign_payload: BodySigning::Auto,
        timeouts: store::Timeouts::default(),
        retry: Policy {
            attempts: 2,
            base: Duration::from_millis(2),
            cap: Duration::from_millis(2),
            budget: Duration::from_secs(5),
        },
        storage_class: None,
    };
    Store::connect(settings).await.unwrap()
}

/// Two accounts: `wx1` has room 1 with two segments and a gap, room 2 with a whole, and room 3 without a
/// manifest; `wx2` has one room.
pub fn publish(store: &StrictS3) {
    for (number, key) in [(1, "a"), (2, "b")] {
        store.place(&format!("live/wx1/rooms/1/segments/{key}.mp4"), film(number, 100_000));
    }
    store.place("live/wx1/rooms/1/images/cover.jpg", "a picture");
    store.place("live/wx1/rooms/1/images/cover.svg", "<svg onload=alert(1)>");
    let playlist = "#EXTM3U\n#EXTINF:4.0,\nchunk-000000.ts\n#EXT-X-ENDLIST\n";
    store.place("live/wx1/rooms/2/whole/1a2b3c4d/playlist.m3u8", playlist);
    store.place("live/wx1/rooms/2/whole/1a2b3c4d/chunk-000000.ts", film(3, 5_000));
    store.place("live/wx1/rooms/1/manifest.json", with_segments().to_string());
    store.place("live/wx1/rooms/2/manifest.json", with_whole(playlist).to_string());
    let rooms = [
        room(1, "双11 <script>alert(1)</script>", "2026-11-21T16:00:00Z", Some("complete")),
        room(2, "Lipstick ＶＩＰ", "2026-11-22T15:59:59Z", Some("partial")),
        room(3, "预告", "2026-11-25T12:00:00Z", None),
    ];
    store.place("live/wx1/catalog.json", catalog("wx1", &rooms));
    let other = [room(9, "another", "2026-11-21T16:00:00Z", None)];
    store.place("live/wx2/catalog.json", catalog("wx2", &other));
}

pub fn catalog(appid: &str, rooms: &[Value]) -> String {
    json!({
        "schema": "replay-archiver/catalog/v1",
        "appid": appid,
        "published_at": "2026-11-26T03:00:00Z",
        "rooms": rooms,
    })
    .to_string()
}

pub fn room(id: u64, name: &str, start: &str, status: Option<&str>) -> Value {
    json!({
        "room_id": id,
        "name": name,
        "live_status": 103,
        "start_time": start,
        "end_time": start.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(1),
        "status": status,
        "manifest_key": status.map(|_| format!("rooms/{id}/manifest.json")),
        "manifest_sha256": null,
        "anchor_name": "小雨",
        "cover": status.map(|_| format!("rooms/{id}/images/cover.jpg")),
    })
}

fn manifest(room: u64) -> Value {
    json!({
        "schema": "replay-archiver/room-manifest/v1",
        "revision": 1,
        "previous": null,
        "generator": { "name": "replay-archiver", "version": "0", "run_id": "x" },
        "published_at": "2026-11-22T03:00:00Z",
        "room": {
            "appid": "wx1",
            "room_id": room,
            "name": "双11 <script>alert(1)</script>",
            "anchor_name": "小雨",
            "live_status": 103,
            "start_time": "2026-11-21T16:00:00Z",
            "end_time": "2026-11-21T17:00:00Z",
            "goods": [{ "goods_id": 61, "name": "\"><img src=x onerror=alert(1)>", "price_fen": 100, "url": "pages/a" }],
            "images": [{ "role": "cover", "key": "images/cover.jpg", "bytes": 9, "sha256": null }],
        },
        "status": "complete",
        "completeness": {
            "announced": 2, "listed": 2, "archived": 2, "expired": 0, "failed": 0, "rejected": 0,
            "not_needed": 0, "settled": true, "listed_at": null,
        },
        "totals": { "bytes": 0, "duration_ms": 8_000 },
        "segments": [],
        "whole": null,
    })
}

fn with_segments() -> Value {
    let segment = |index: u8, key: &str, offset_ms: u64, gap_before_ms: u64| {
        json!({
            "index": index,
            "state": "archived",
            "reason": null,
            "key": format!("segments/{key}.mp4"),
            // A browser must not believe it.
            "content_type": "text/html",
            "bytes": 100_000,
            "sha256": Sha256Digest::of(&film(index, 100_000)).to_string(),
            "crc64nvme": null,
            "crc64xz": null,
            "object": null,
            "source": {},
            "evidence": ["length"],
            "media": {
                "duration_ms": 4_000, "codecs": "avc1.64001f", "width": 720, "height": 1280,
                "fps": 25.0, "faststart": true, "config_sha256": null,
            },
            "timeline": { "offset_ms": offset_ms, "gap_before_ms": gap_before_ms },
            "archived_at": "2026-11-22T02:00:00Z",
        })
    };
    let mut manifest = manifest(1);
    manifest["segments"] = json!([segment(1, "a", 0, 0), segment(2, "b", 4_000, 60_000)]);
    manifest["playback"] = json!({
        "preferred": "segments",
        "duration_ms": 8_000,
        "keys": ["segments/a.mp4", "segments/b.mp4"],
        "durations_ms": [4_000, 4_000],
        "uniform_codecs": true,
    });
    manifest
}

fn with_whole(playlist: &str) -> Value {
    let mut manifest = manifest(2);
    manifest["whole"] = json!({
        "state": "archived",
        "reason": null,
        "duration_ms": 4_000,
        "key": "whole/1a2b3c4d/playlist.m3u8",
        "sha256": Sha256Digest::of(playlist.as_bytes()).to_string(),
        "source": {},
        "chunks": [{
            "key": "whole/1a2b3c4d/chunk-000000.ts",
            "bytes": 5_000,
            "sha256": Sha256Digest::of(&film(3, 5_000)).to_string(),
            "crc64nvme": crc(crc_fast::CrcAlgorithm::Crc64Nvme, &film(3, 5_000)),
            "crc64xz": crc(crc_fast::CrcAlgorithm::Crc64Xz, &film(3, 5_000)),
            "duration_ms": 4_000,
        }],
    });
    manifest["playback"] = json!({
        "preferred": "whole",
        "duration_ms": 4_000,
        "keys": ["whole/1a2b3c4d/playlist.m3u8"],
        "durations_ms": [4_000],
        "uniform_codecs": true,
    });
    manifest
}
