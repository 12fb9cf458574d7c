//! `gc` after a kill, as a person runs it: first to look, then to abort.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::clock;
use replay_archiver::clock::Clock;
use serde_json::{Value, json};

use super::program::{Place, Ran};
use crate::strict::{Effect, Provider, Request, StrictS3, Upload};

/// One recording of two parts.
const ROOM: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
size = \"6MiB\"
";

/// What a killed run has left in a store, beside what is somebody else's.
struct Scene {
    place: Place,
    store: StrictS3,
    ours: Upload,
    others: BTreeSet<String>,
}

impl Scene {
    /// A run that was killed when the store had begun an upload whose id never came back.
    async fn after_a_kill() -> Self {
        let (place, store) = (Place::start(ROOM).await, StrictS3::start(Provider::Aws).await);
        let embedded = place.store.addr().to_string();
        let settings = place.configuration().replace(&embedded, &store.addr().to_string());
        place.configure(&format!("{settings}\n[transfer]\npart_size = \"5MiB\"\n"));
        let begins = |request: &Request| request.method == "POST" && request.asks("uploads");
        store.fault(move |request| begins(request).then_some(Effect::Hang));
        let mut run = place.command(&["run"]).spawn().unwrap();
        for _ in 0..18_000 {
            if !store.uploads().is_empty() {
                break;
            }
            clock::pause(Duration::from_millis(10)).await;
        }
        run.kill().await.unwrap();
        store.heal();
        let ours = store.uploads().remove(0);
        let earlier = Clock::system().now() - SignedDuration::from_mins(10);
        let others = [ours.key.clone(), format!("{}.part", ours.key), "live/b".to_owned()];
        let others = others.iter().map(|key| store.begin_foreign_upload(key, earlier)).collect();
        store.begin_foreign_upload("elsewhere/a", earlier);
        Self { place, store, ours, others }
    }

    async fn gc(&self, arguments: &[&str]) -> Ran {
        self.place.run(&[&["gc"], arguments].concat()).await
    }

    /// The ids of the unfinished uploads below the prefix.
    fn left(&self) -> BTreeSet<String> {
        let uploads = self.store.uploads().into_iter();
        uploads.filter(|upload| upload.key.starts_with("live/")).map(|upload| upload.id).collect()
    }
}

/// What is printed of an upload: its id and what is known of it.
fn verdicts(ran: &Ran) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = ran.lines().into_iter().filter(|line| line["type"] == "upload");
    lines.map(|line| (text(&line["upload_id"]), text(&line["verdict"]))).collect()
}

#[tokio::test]
async fn gc_shows_what_a_kill_has_left_and_changes_nothing_unless_told_to() {
    let scene = Scene::after_a_kill().await;
    let before = scene.store.uploads();
    scene.store.take();
    let shown = scene.gc(&["--older-than", "0s"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let lines: Vec<&str> = shown.out.lines().collect();
    let orphan = lines.iter().find(|line| line.starts_with("ours, orphaned: ")).unwrap();
    assert!(orphan.contains(&format!("{} since ", scene.ours.key)), "{orphan}");
    assert!(orphan.contains("began it for room 1"), "{orphan}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("unproven: ")).count(), 3);
    assert_eq!(
        lines[4],
        "4 unfinished uploads: 0 in use, 0 recent, 1 orphaned, 3 unproven; 0 aborted"
    );
    for hint in ["hint: `gc --abort` aborts", "AbortIncompleteMultipartUpload"] {
        assert!(shown.err.contains(hint), "{}", shown.err);
    }

    let json = scene.gc(&["--older-than", "0s", "--json"]).await;
    assert_eq!((json.code, json.err.as_str()), (0, ""), "{json:?}");
    let unproven = scene.others.iter().map(|id| (id.clone(), "unproven".to_owned()));
    let ours = (scene.ours.id.clone(), "ours, orphaned".to_owned());
    assert_eq!(verdicts(&json), unproven.chain([ours]).collect());
    let summary = json.summary();
    assert_eq!(
        ["orphaned", "unproven", "aborted", "failed", "intents_forgotten"].map(|n| &summary[n]),
        [&json!(1), &json!(3), &json!(0), &json!(0), &json!(0)]
    );
    assert!(scene.store.take().iter().all(|request| !request.is_write()));
    assert_eq!(scene.store.uploads(), before);
}

#[tokio::test]
async fn gc_aborts_what_is_ours_and_old_enough_and_nothing_of_anybody_elses() {
    let scene = Scene::after_a_kill().await;
    let all = scene.left();
    let young = scene.gc(&["--abort", "--json"]).await;
    assert_eq!((young.code, &young.summary()["recent"]), (0, &json!(4)), "{young:?}");
    assert_eq!(scene.left(), all, "nothing is a day old");

    let denied = |request: &Request| request.method == "DELETE";
    scene.store.fault(move |request| {
        let code = "AccessDenied";
        denied(request).then_some(Effect::Refuse { status: 403, code, retry_after: None })
    });
    let refused = scene.gc(&["--abort", "--older-than", "0s"]).await;
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.err.contains(&scene.ours.key) && refused.err.contains("hint: these credentials")
    );
    assert_eq!(scene.left(), all);

    scene.store.heal();
    let done = scene.gc(&["--abort", "--older-than", "0s", "--json"]).await;
    assert_eq!((done.code, &done.summary()["aborted"]), (0, &json!(1)), "{done:?}");
    let aborted: Vec<_> =
        done.lines().into_iter().filter(|line| line["aborted"] == json!(true)).collect();
    assert_eq!(aborted.len(), 1);
    assert_eq!(aborted[0]["upload_id"], scene.ours.id);
    assert_eq!(scene.left(), scene.others);

    let again = scene.gc(&["--abort", "--older-than", "0s"]).await;
    assert!(again.out.contains("0 orphaned, 3 unproven; 0 aborted"), "{again:?}");
    assert_eq!(scene.place.run(&["run"]).await.code, 0, "the room is archived all the same");
    assert!(scene.store.objects().contains_key("live/wx1/rooms/1/manifest.json"));
    assert_eq!(scene.left(), scene.others);
    assert_eq!(scene.store.violations(), [""; 0]);
}

#[tokio::test]
async fn gc_says_what_to_do_where_the_store_cannot_be_reached() {
    let place = Place::start(ROOM).await;
    let store = place.store.addr().to_string();
    place.configure(&place.configuration().replace(&store, "127.0.0.1:9"));
    for arguments in [&["gc"][..], &["gc", "--abort", "--json"]] {
        let ran = place.run(arguments).await;
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.lines().iter().all(|line| line["kind"] == "store"), "{ran:?}");
        assert!(ran.err.contains("error: the bucket is not usable"), "{ran:?}");
        assert!(ran.err.contains("\nhint: check the endpoint"), "{ran:?}");
    }
}
