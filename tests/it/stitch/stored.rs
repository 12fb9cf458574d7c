//! Films that a store makes from large segments.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use jiff::SignedDuration;
use replay_archiver::clock::Clock;
use replay_archiver::config::Guard;
use replay_archiver::ledger::{Ledger, Phase};
use replay_archiver::model::{Crcs, Evidence, Manifest, RunId, Sha256Digest, Stitched};
use replay_archiver::stage::stitch::{Existing, Plan, make as make_film, plan};
use replay_archiver::stage::{Blank, Error, Records, Run};
use replay_archiver::store::{ChecksumMode, Labels, RoomKeys, Settings, Store};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::store::round::Place;
use crate::store::settings_for;
use crate::strict::{ACCESS_KEY, BUCKET, Effect, Provider, SECRET_KEY, StrictS3};

const FASTSTART: &[u8] = include_bytes!("../fixtures/media/faststart.mp4");
const MANIFEST: &str = include_str!("../fixtures/fuzz/manifests/good");
const MIB: usize = 1 << 20;

/// A segment whose media data ends with this many bytes that no sample needs.
fn large(more: usize) -> Bytes {
    let mut file = FASTSTART.to_vec();
    let mdat = file.windows(4).position(|four| four == b"mdat").unwrap() - 4;
    let size = u32::try_from(file.len() - mdat + more).unwrap();
    file[mdat..mdat + 4].copy_from_slice(&size.to_be_bytes());
    file.extend((0..more).map(|at| (at * 7 % 251) as u8));
    file.into()
}

/// A room of two such segments.
struct Room {
    store: Store,
    keys: RoomKeys,
    manifest: Manifest,
    segments: [Bytes; 2],
}

/// One in a strict store.
struct StrictRoom {
    server: StrictS3,
    room: Room,
}

impl Deref for StrictRoom {
    type Target = Room;

    fn deref(&self) -> &Room {
        &self.room
    }
}

impl StrictRoom {
    async fn archived(provider: Provider, checksum: ChecksumMode, more: [usize; 2]) -> Self {
        let server = StrictS3::start(provider).await;
        let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
        let store = Store::connect(Settings { checksum, ..settings }).await.unwrap();
        let room = Room::archived(store, more).await;
        server.take();
        Self { server, room }
    }
}

impl Room {
    async fn archived(store: Store, more: [usize; 2]) -> Self {
        let segments = more.map(large);
        let mut manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
        for (entry, bytes) in manifest["segments"].as_array_mut().unwrap().iter_mut().zip(&segments)
        {
            let crcs = Crcs::of(bytes);
            entry["bytes"] = bytes.len().into();
            entry["sha256"] = Sha256Digest::of(bytes).to_string().into();
            entry["crc64nvme"] = crcs.crc64nvme.to_string().into();
            entry["crc64xz"] = crcs.crc64xz.to_string().into();
        }
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        let keys = store.keys(&manifest.room.appid).room(manifest.room.room_id);
        for (entry, bytes) in manifest.segments.iter().zip(&segments) {
            let key = keys.resolve(entry.key.as_deref().unwrap()).unwrap();
            let labels = Labels { content_type: "video/mp4", metadata: &[] };
            store.put(&key, bytes.clone(), labels).await.unwrap();
        }
        Self { store, keys, manifest, segments }
    }

    /// The media data of the segments, one after the other.
    fn payloads(&self) -> Vec<u8> {
        let of_segment = |file: &Bytes| {
            let mdat = file.windows(4).position(|four| four == b"mdat").unwrap() + 4;
            file[mdat..].to_vec()
        };
        self.segments.iter().flat_map(of_segment).collect()
    }

    /// Stitches, with a ledger in which a run holds the room.
    async fn stitch(&self) -> Result<Stitched, Error> {
        let (ledger, _folder) = new_ledger().await;
        self.stitch_with(&self.claimed(&ledger).await).await
    }

    async fn claimed(&self, ledger: &Ledger) -> Process {
        let clock = Clock::system();
        let now = clock.now();
        let room = self.manifest.described_room();
        ledger.record_room(&room, Phase::Due, now, now).await.unwrap();
        let run = Run {
            id: RunId::new(now),
            owner: "us".to_owned(),
            started_at: now,
            lease: SignedDuration::from_mins(5),
            guard: Guard::Lease,
            blank: Blank::default(),
        };
        let process = Process { clock, ledger: ledger.clone(), store: self.store.clone(), run };
        let claim = process.records().claim();
        assert!(ledger.claim_room(&room.appid, room.room_id, claim).await.unwrap().is_some());
        process
    }

    async fn stitch_with(&self, process: &Process) -> Result<Stitched, Error> {
        let Plan::Film(film) = plan(&self.store, &self.keys, &self.manifest).await? else {
            panic!("the segments are alike");
        };
        make_film(process.records(), &self.keys, &self.manifest, &film, Existing::Keep).await
    }
}

/// A ledger of its own: all that are in memory are one.
async fn new_ledger() -> (Ledger, TempDir) {
    let folder = TempDir::new().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
    (Ledger::open(&url).await.unwrap(), folder)
}

/// A process that holds the room.
struct Process {
    clock: Clock,
    ledger: Ledger,
    store: Store,
    run: Run,
}

impl Process {
    fn records(&self) -> Records<'_> {
        let Self { clock, ledger, store, run } = self;
        Records { clock, ledger, store, run }
    }
}

#[tokio::test]
async fn every_store_makes_the_film_that_was_planned() {
    let cases = [[6 * MIB, 7 * MIB], [6 * MIB, 10], [10, 11 * MIB], [10, 11]];
    let place = Place::strict_or_real().await;
    for more in cases {
        let room = Room::archived(place.store.clone(), more).await;
        let film = room.stitch().await.unwrap();
        let key = room.keys.resolve(film.key.as_deref().unwrap()).unwrap();
        let mut bytes = Vec::<Bytes>::new();
        room.store.read_range(&key, 0..film.bytes.unwrap(), &mut bytes).await.unwrap();
        let bytes = bytes.concat();
        let crcs = Crcs::of(&bytes);
        assert_eq!((Some(crcs.crc64nvme), Some(crcs.crc64xz)), (film.crc64nvme, film.crc64xz));
        assert!(bytes.ends_with(&room.payloads()), "{more:?}");
        assert_eq!(room.stitch().await.unwrap(), film, "it is found");
    }
}

#[tokio::test]
async fn large_segments_are_copied_by_the_store_and_small_ones_sent_with_their_neighbours() {
    for (provider, more) in [
        (Provider::Garage, [6 * MIB, 7 * MIB]),
        (Provider::Ceph, [6 * MIB, 10]),
        (Provider::Cos, [10, 12 * MIB]),
        (Provider::Oss, [10, 11]),
    ] {
        let room = StrictRoom::archived(provider, ChecksumMode::Auto, more).await;
        let film = room.stitch().await.unwrap();
        let requests = room.server.take();
        let key = room.keys.resolve(film.key.as_deref().unwrap()).unwrap();
        let bytes = &room.server.objects()[key.as_str()];
        let tail = room.payloads();
        assert!(bytes.ends_with(&tail), "{provider:?}");
        let head = bytes.len() - tail.len();
        let sent: usize = requests.iter().map(|request| request.bytes).sum();
        let small: usize = more.iter().filter(|more| **more < 5 * MIB).count();
        assert!(sent < head + small * 5 * MIB + 64_000, "{provider:?}: {sent} bytes are sent");
        let copies =
            requests.iter().filter(|request| request.method == "PUT" && request.bytes == 0);
        assert_eq!(copies.count(), 2 - small, "{provider:?}");
        let is_crc =
            |it: &Evidence| matches!(it, Evidence::StoreCrc64Nvme | Evidence::StoreCrc64Xz);
        assert!(film.evidence.iter().any(is_crc), "{provider:?}: {film:?}");
        assert_eq!(room.server.violations(), [""; 0], "{provider:?}");
    }
}

#[tokio::test]
async fn where_the_store_reports_no_checksum_the_joints_are_read_back() {
    let room = StrictRoom::archived(Provider::Ceph, ChecksumMode::Off, [6 * MIB, 6 * MIB]).await;
    let film = room.stitch().await.unwrap();
    assert_eq!(film.evidence, [Evidence::StoreSize, Evidence::Seams]);
    let key = room.keys.resolve(film.key.as_deref().unwrap()).unwrap();
    let sound = room.server.objects()[key.as_str()].clone();
    let mut rotten = sound.to_vec();
    let last = rotten.len() - 1;
    rotten[last] ^= 1;
    room.server.rot(key.as_str(), rotten);
    assert_eq!(room.stitch().await.unwrap().key, film.key);
    assert!(room.server.objects()[key.as_str()] == sound, "it is made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_reclaimed_while_the_store_copies_gets_no_film_of_this_process() {
    for when in ["uploads", "partNumber"] {
        let room =
            StrictRoom::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 6 * MIB]).await;
        let (ledger, _folder) = new_ledger().await;
        let process = room.claimed(&ledger).await;
        let (shared, (appid, id)) =
            (ledger.clone(), (room.manifest.room.appid.clone(), room.manifest.room.room_id));
        let runtime = Handle::current();
        room.server.fault(move |request| {
            if request.asks(when) {
                let lost = shared.release(&appid, id, "us");
                tokio::task::block_in_place(|| runtime.block_on(lost)).unwrap();
            }
            None
        });
        assert!(room.stitch_with(&process).await.unwrap_err().is_lease_lost(), "{when}");
        assert_eq!(room.server.objects().len(), 2, "nothing but the segments");
        assert!(room.server.uploads().is_empty(), "it is aborted");
        assert!(ledger.intents().await.unwrap().is_empty(), "and gc need not look for it");
    }
}

#[tokio::test]
async fn an_upload_that_a_kill_leaves_behind_is_known_to_the_ledger() {
    let room = StrictRoom::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 6 * MIB]).await;
    let (ledger, _folder) = new_ledger().await;
    let process = room.claimed(&ledger).await;
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    room.server.fault(move |request| {
        request.asks("partNumber").then(|| told.notify_one()).map(|()| Effect::Stall)
    });
    tokio::select! {
        ended = room.stitch_with(&process) => panic!("it waits for the store: {ended:?}"),
        () = begun.notified() => {}
    }
    let (intents, uploads) = (ledger.intents().await.unwrap(), room.server.uploads());
    let known: Vec<_> =
        intents.iter().map(|intent| (intent.key.as_str(), intent.upload_id.as_deref())).collect();
    let there: Vec<_> = uploads.iter().map(|it| (it.key.as_str(), Some(it.id.as_str()))).collect();
    assert_eq!((known.len(), known), (1, there));
    // Whoever makes the film then leaves nothing of it.
    room.server.heal();
    let later =
        Process { run: Run { id: RunId::new(process.clock.now()), ..process.run }, ..process };
    room.stitch_with(&later).await.unwrap();
    assert_eq!(room.server.uploads().len(), 0, "it is aborted");
    assert!(ledger.intents().await.unwrap().is_empty(), "and forgotten");
}

#[tokio::test]
async fn an_upload_of_a_film_is_left_alone_by_a_process_that_has_lost_the_room() {
    let room = StrictRoom::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 6 * MIB]).await;
    let (ledger, _folder) = new_ledger().await;
    let process = room.claimed(&ledger).await;
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    room.server.fault(move |request| {
        request.asks("partNumber").then(|| told.notify_one()).map(|()| Effect::Stall)
    });
    tokio::select! {
        ended = room.stitch_with(&process) => panic!("it waits for the store: {ended:?}"),
        () = begun.notified() => {}
    }
    room.server.heal();
    ledger.release(&room.manifest.room.appid, room.manifest.room.room_id, "us").await.unwrap();
    assert!(room.stitch_with(&process).await.unwrap_err().is_lease_lost());
    assert_eq!(room.server.uploads().len(), 1, "it may be that of whoever has the room");
}

#[tokio::test]
async fn a_store_that_makes_empty_parts_of_copies_is_recognised() {
    // In the middle they are too small, and at the end the film is.
    let cases = [[6 * MIB, 7 * MIB], [10, 12 * MIB]];
    for (provider, more) in [Provider::Cos, Provider::Oss].into_iter().zip(cases) {
        let room = StrictRoom::archived(provider, ChecksumMode::Auto, more).await;
        room.server.fault(|request| {
            let is_copy = request.asks("partNumber") && request.bytes == 0;
            is_copy.then_some(Effect::DropTail(usize::MAX))
        });
        let error = room.stitch().await.unwrap_err();
        assert!(error.is_of_copies(), "{provider:?}: {error}");
        assert!(error.to_string().contains("\nhint: "), "{error}");
        // A film that is damaged in another way says nothing about the store.
        room.server.heal();
        room.server.fault(|request| request.asks("partNumber").then_some(Effect::DropTail(1)));
        let error = room.stitch().await.unwrap_err();
        assert!(!error.is_of_copies(), "{provider:?}: {error}");
    }
}

#[tokio::test]
async fn a_segment_that_is_not_as_it_was_archived_is_not_copied() {
    let room = StrictRoom::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 10]).await;
    let key = room.manifest.segments[1].key.as_deref().unwrap();
    let key = room.keys.resolve(key).unwrap();
    room.server.place(key.as_str(), large(11));
    assert!(room.stitch().await.unwrap_err().to_string().contains("size"));
    assert_eq!(room.server.objects().len(), 2);
}
