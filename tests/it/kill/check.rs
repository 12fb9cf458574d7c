//! The independent checker: what must be true after every kill, and when all is done.

use std::collections::BTreeMap;

use serde_json::Value;

use super::strike::Point;
use super::world::{APP_SECRET, CALLS, Ended, MEMORY, PART, STORE_SECRET, TOKEN, World};
use crate::bucket::Bucket;
use crate::strict::Upload;

/// What a run that nothing disturbed came to.
pub struct Reference {
    pub bucket: Bucket,
    manifests: String,
    /// Bytes of recordings and images that it fetched.
    pub transferred: u64,
    /// Every point it passed.
    pub points: Vec<Point>,
}

/// Media that is fetched again without being a part in flight: the images of both rooms, the
/// playlist, and the `moov` of a segment that is resumed, which lies before its checkpoint.
const SMALL: u64 = 512 << 10;

impl Reference {
    /// What is in the bucket now is taken for what ought to be, after it was held against the
    /// source.
    pub async fn of(world: &World) -> Self {
        let (bucket, points, transferred) =
            (world.bucket(), world.watch.passed(), world.vod.transferred());
        bucket.check(&secrets());
        assert!(bucket.objects.keys().any(|key| key.contains("/stitched/")), "there is no film");
        is_the_source(world, &bucket).await;
        Self { manifests: manifests(&bucket).join("\n"), transferred, points, bucket }
    }

    /// Holds at any moment: a manifest names durable objects alone, and every call was charged
    /// before it was made.
    pub async fn holds(&self, world: &World) {
        let bucket = world.bucket();
        bucket.check_underway(&secrets());
        for (key, bytes) in media(&bucket) {
            assert_eq!(self.bucket.objects.get(key), Some(bytes), "{key} is not the source");
        }
        assert_eq!(world.store.violations(), [""; 0]);
        let made = calls(world);
        // Before the first call there may be no table yet.
        let charged = world.number(CHARGED).await.unwrap_or(0);
        assert!(charged >= made, "{made} calls were made and {charged} charged");
        assert!(made <= i64::try_from(CALLS).unwrap(), "{made} calls were made");
    }

    /// Holds when all is done: nothing is lost, no more was transferred twice than was in flight, and no
    /// checkpoint and no upload is left.
    /// Returns how many bytes were transferred twice.
    pub async fn is_reached(&self, world: &World) -> u64 {
        self.holds(world).await;
        let bucket = world.bucket();
        bucket.check(&secrets());
        let found = manifests(&bucket).join("\n");
        let mut lines = found.lines().zip(self.manifests.lines());
        if let Some((found, expected)) = lines.find(|(found, expected)| found != expected) {
            panic!("another archive: {found}, not {expected}");
        }
        assert_eq!(found.len(), self.manifests.len(), "another archive");
        let of = |bucket: &Bucket| media(bucket).map(|(key, _)| key.clone()).collect::<Vec<_>>();
        assert_eq!(of(&bucket), of(&self.bucket), "other objects");
        // Every part in flight has a share of the memory; one more may be stored and not noted.
        let twice = world.vod.transferred().saturating_sub(self.transferred);
        assert!(twice <= MEMORY + PART + SMALL, "{twice} bytes were moved twice");
        assert_eq!(world.number(LEFT_OVER).await, Some(0), "checkpoints are left");
        assert_eq!(world.store.uploads(), [], "unfinished uploads are left");
        twice
    }
}

/// Every unfinished upload can be proved to be ours by what the ledger holds: a checkpoint that has
/// its id, the intent to begin it, or the intent to begin one of its key whose id is not yet known.
pub async fn uploads_are_known(world: &World) {
    for Upload { id, key, .. } in world.store.uploads() {
        let sql = format!(
            "select (select count(*) from recordings where checkpoint like '%\"{id}\"%') \
             + (select count(*) from uploads \
                where object_key = '{key}' and (upload_id = '{id}' or in_doubt = 1))"
        );
        let known = world.number(&sql).await.unwrap_or(0);
        assert!(known > 0, "the ledger does not know the upload {id} of {key}");
    }
}

/// Has `gc` abort the unfinished uploads that no checkpoint owns; returns how many there were. None
/// may be left by it, and none be aborted that a checkpoint owns: there is no checkpoint any more.
pub async fn collect(world: &World) -> usize {
    let orphans = world.store.uploads().len();
    if orphans > 0 {
        assert_eq!(world.collect().await, Ended::With(0), "gc has failed");
    }
    orphans
}

const CHARGED: &str = "select cast(coalesce(sum(used), 0) as bigint) from quota";
const LEFT_OVER: &str = "select (select count(*) from recordings where checkpoint is not null) \
    + (select count(*) from upload_parts) + (select count(*) from rooms where lease_until > 0)";

fn secrets() -> [String; 3] {
    [APP_SECRET, STORE_SECRET, TOKEN].map(str::to_owned)
}

/// How many calls that cost quota WeChat has got.
fn calls(world: &World) -> i64 {
    let calls = world.sandbox.calls();
    calls.iter().filter(|call| call.path == "/wxa/business/getliveinfo").count().try_into().unwrap()
}

fn media(bucket: &Bucket) -> impl Iterator<Item = (&String, &Vec<u8>)> {
    let is_media = |key: &&String| {
        ["/segments/", "/whole/", "/images/", "/stitched/"]
            .iter()
            .any(|folder| key.contains(folder))
    };
    bucket.objects.iter().filter(move |(key, _)| is_media(key))
}

/// All manifests without what differs from run to run: times of the runs, their names, and on which
/// port the media host listens.
fn manifests(bucket: &Bucket) -> Vec<String> {
    let keys = bucket.keys("/manifest.json");
    keys.into_iter()
        .map(|key| {
            let mut manifest = bucket.json(key);
            let varying = ["published_at", "listed_at", "archived_at", "run_id", "host"];
            without(&mut manifest, &varying);
            // One that was in the history and not in force when its run was killed has a successor.
            without(&mut manifest, &["revision", "previous"]);
            format!("{manifest:#}")
        })
        .collect()
}

fn without(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|value| without(value, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| without(value, names)),
        _ => {}
    }
}

/// Every media object has the bytes that the media host serves for it, asked for here in one piece.
async fn is_the_source(world: &World, bucket: &Bucket) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |url: &str| {
        let reply = client.get(url).send().await.unwrap().error_for_status().unwrap();
        reply.bytes().await.unwrap().to_vec()
    };
    let mut sources: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for room in [1, 2] {
        for url in listed(world, &client, room).await {
            if !url.path().ends_with(".m3u8") {
                sources.insert(url.path().to_owned(), get(url.as_str()).await);
                continue;
            }
            let playlist = String::from_utf8(get(url.as_str()).await).unwrap();
            for (number, uri) in playlist.lines().filter(|line| !line.starts_with('#')).enumerate()
            {
                let chunk = get(url.join(uri).unwrap().as_str()).await;
                sources.insert(format!("chunk-{number:06}.ts"), chunk);
            }
        }
    }
    for room in [1, 2] {
        let manifest = bucket.manifest(room);
        let object = |key: &Value| {
            &bucket.objects[&format!("live/wx1/rooms/{room}/{}", key.as_str().unwrap())]
        };
        for segment in manifest["segments"].as_array().unwrap() {
            let path = segment["source"]["path"].as_str().unwrap();
            assert!(*object(&segment["key"]) == sources.remove(path).unwrap(), "{path}");
        }
        for chunk in manifest["whole"]["chunks"].as_array().into_iter().flatten() {
            let name = chunk["key"].as_str().unwrap().rsplit('/').next().unwrap();
            assert!(*object(&chunk["key"]) == sources.remove(name).unwrap(), "{name}");
        }
    }
    assert!(sources.is_empty(), "not archived: {:?}", sources.keys());
}

/// The URLs of a room's recordings, as the sandbox lists them to somebody else.
async fn listed(world: &World, client: &reqwest::Client, room: u64) -> Vec<url::Url> {
    let api = format!(
        "http://{}/wxa/business/getliveinfo?access_token={TOKEN}",
        world.sandbox.api_addr()
    );
    let body = format!("{{\"action\":\"get_replay\",\"room_id\":{room},\"start\":0,\"limit\":50}}");
    let reply: Value = client.post(api).body(body).send().await.unwrap().json().await.unwrap();
    let items = reply["live_replay"].as_array().unwrap();
    items.iter().map(|item| item["media_url"].as_str().unwrap().parse().unwrap()).collect()
}
