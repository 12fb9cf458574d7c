//! Reading the archive with the bucket alone: a configuration of `[store]`, and keys that may only read.

use super::program::{Place, ROOMS, Ran, ended};
use crate::strict::{Effect, Provider, Request, StrictS3};

/// An archive of two accounts, and somebody who has nothing but the bucket.
pub struct Reader {
    pub place: Place,
    pub store: StrictS3,
}

/// A second account, whose room 1 is another one.
const SECOND: &str = "
[[account]]
appid = \"wx2\"
secret = \"SECRET\"
[[account.room]]
id = 1
start = \"-7d\"
[[account.room.replay]]
[[account.room]]
id = 3
start = \"-7d\"
[[account.room.replay]]
";

impl Reader {
    /// An archive of `wx1` and `wx2`.
    pub async fn start() -> Self {
        let second = SECOND.replace("SECRET", super::program::APP_SECRET);
        let place = Place::start(&format!("{ROOMS}{second}")).await;
        let store = StrictS3::start(Provider::Aws).await;
        let embedded = place.store.addr().to_string();
        let configuration = place.configuration().replace(&embedded, &store.addr().to_string());
        let account = "[[account]]\nappid = \"wx2\"\ntoken = { secret_env = \"APP_SECRET\" }\n";
        place.configure(&format!("{configuration}{account}"));
        place.good(&["run"]).await;
        let reader = Self { place, store };
        reader.configure("");
        reader
    }

    /// Leaves only `[store]` in the configuration, and keys that may only read.
    fn configure(&self, more: &str) {
        self.place.configure(&format!(
            "[store]\nendpoint = \"{}\"\nbucket = \"replays\"\nprefix = \"live\"\n\
             access_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n{more}",
            self.store.endpoint(),
        ));
        std::fs::remove_file(self.place.folder.path().join("ledger.sqlite")).unwrap_or_default();
        self.refuse(Request::is_write);
        self.store.take();
    }

    fn refuse(&self, what: fn(&Request) -> bool) {
        let refused = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
        self.store.fault(move |request| what(request).then(|| refused.clone()));
    }

    /// Runs a command without the secret of any account.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.place.command(arguments);
        ended(command.env_remove("APP_SECRET").spawn().unwrap()).await
    }

    /// Runs a command that must end with 0.
    pub async fn good(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran
    }
}

#[tokio::test]
async fn the_bucket_and_keys_that_may_only_read_are_enough() {
    let reader = Reader::start().await;
    let asked = reader.place.sandbox.calls().len();
    let list = reader.good(&["playlist", "--room", "3"]).await;
    assert!(list.out.contains("\"appid\": \"wx2\"") && list.err.is_empty(), "{list:?}");
    reader.good(&["playlist", "--room", "2", "--format", "m3u8"]).await;
    for depth in [&["verify", "--json"][..], &["verify", "--json", "--deep"]] {
        let summary = reader.good(depth).await.summary();
        assert_eq!((&summary["rooms"], &summary["mismatches"]), (&4.into(), &0.into()));
    }
    let one = reader.good(&["verify", "--account", "wx2", "--json"]).await.summary();
    assert_eq!(one["rooms"], 2);
    let requests = reader.store.take();
    assert!(!requests.is_empty() && !requests.iter().any(Request::is_write), "{requests:?}");
    assert_eq!(reader.place.sandbox.calls().len(), asked, "WeChat was asked");
    let files: Vec<_> = std::fs::read_dir(reader.place.folder.path()).unwrap().collect();
    assert_eq!(files.len(), 2, "only the configuration and the unused store: {files:?}");
}

#[tokio::test]
async fn a_room_of_several_accounts_is_read_where_account_names_one() {
    let reader = Reader::start().await;
    let both = reader.run(&["playlist", "--room", "1"]).await;
    assert!(both.code == 2 && both.err.contains("wx1, wx2"), "{both:?}");
    for appid in ["wx1", "wx2"] {
        let list = reader.good(&["playlist", "--room", "1", "--account", appid]).await;
        assert!(list.out.contains(&format!("\"appid\": \"{appid}\"")), "{list:?}");
    }
    let none = reader.run(&["playlist", "--room", "1", "--account", "wx9"]).await;
    assert!(none.code == 1 && none.err.contains("not archived"), "{none:?}");
}

#[tokio::test]
async fn configured_accounts_are_read_without_their_secrets() {
    let reader = Reader::start().await;
    let second = "[[account]]\nappid = \"wx2\"\ntoken = { secret_env = \"APP_SECRET\" }\n";
    reader.configure(second);
    let list = reader.good(&["playlist", "--room", "1"]).await;
    assert!(list.out.contains("\"appid\": \"wx2\""), "{list:?}");
    let verified = reader.good(&["verify", "--json"]).await;
    assert_eq!(verified.summary()["rooms"], 2);
    assert!(verified.err.contains("there is no ledger yet"), "{verified:?}");
    let other = reader.run(&["playlist", "--room", "1", "--account", "wx1"]).await;
    assert!(other.code == 2 && other.err.contains("wx1 is not configured"), "{other:?}");
}

#[tokio::test]
async fn what_is_no_account_in_the_bucket_is_skipped() {
    let reader = Reader::start().await;
    let strangers = ["live/logs/a", "live/wx<b>/catalog.json", "live/wx 3/b", "live/wx4", "wx5/a"];
    strangers.iter().for_each(|key| reader.store.place(key, "{}"));
    // More folders than fit on a page.
    (0..20).for_each(|n| reader.store.place(&format!("live/a{n}/x"), "{}"));
    let summary = reader.good(&["verify", "--json"]).await.summary();
    assert_eq!((&summary["rooms"], &summary["mismatches"]), (&4.into(), &0.into()));
}

#[tokio::test]
async fn a_bucket_without_an_archive_is_told_from_one() {
    let reader = Reader::start().await;
    for prefix in ["elsewhere", "liv"] {
        let mut command = reader.place.command(&["verify", "--json"]);
        command.env("REPLAY_ARCHIVER_STORE__PREFIX", prefix);
        let ran = ended(command.spawn().unwrap()).await;
        let place = format!("replays/{prefix}/");
        assert!(ran.code == 1 && ran.err.contains(&place), "{ran:?}");
        assert!(ran.err.contains("hint: [store] bucket and prefix"), "{ran:?}");
        assert_eq!(ran.lines().pop().unwrap()["type"], "error", "{ran:?}");
    }
}

#[tokio::test]
async fn keys_that_may_not_list_the_bucket_read_an_account_that_is_named() {
    let reader = Reader::start().await;
    reader.refuse(|request| request.asks("list-type"));
    let ran = reader.run(&["playlist", "--room", "3"]).await;
    assert!(ran.code == 1 && ran.err.contains("need --account with the appid"), "{ran:?}");
    reader.good(&["playlist", "--room", "3", "--account", "wx2"]).await;
}

#[tokio::test]
async fn what_asks_wechat_still_needs_an_account() {
    let reader = Reader::start().await;
    for command in ["run", "status", "plan", "gc"] {
        let ran = reader.run(&[command]).await;
        assert!(ran.code == 2 && ran.err.contains("no account is configured"), "{ran:?}");
    }
}
