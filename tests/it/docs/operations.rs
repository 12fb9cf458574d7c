//! Which operations of S3 each command makes: `docs/policies/operations.json`, from which the policies follow.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{check_generated, file, page, violations};
use crate::bucket::text;
use crate::cli::program::{Place, Ran};
use crate::cli::signals::signal;
use crate::strict::{Effect, Provider, Request, StrictS3};

/// The published list.
pub const LIST: &str = "docs/policies/operations.json";

/// Room 1: segments of two parts; room 2: a whole alone; room 3: a recording that WeChat has deleted.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
size = \"6MiB\"
[[account.room.replay]]
size = \"6MiB\"
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 6
[[account.room]]
id = 3
start = \"-380d\"
[[account.room.replay]]
";

/// The commands that never use the bucket, and those that no archive is worked on with.
const OTHERS: [&str; 11] = [
    "accounts",
    "completions",
    "config",
    "demo",
    "explain",
    "help",
    "man",
    "notify",
    "plan",
    "sandbox",
    "schema",
];

/// The operation that a request is. Only a part that is copied has no body.
fn operation(request: &Request) -> &'static str {
    match (request.method.as_str(), request.key.is_empty()) {
        ("HEAD", true) => "HeadBucket",
        ("GET", true) if request.asks("uploads") => "ListMultipartUploads",
        ("GET", true) => "ListObjectsV2",
        ("HEAD", false) => "HeadObject",
        ("GET", false) if request.asks("uploadId") => "ListParts",
        ("GET", false) => "GetObject",
        ("POST", false) if request.asks("uploads") => "CreateMultipartUpload",
        ("POST", false) => "CompleteMultipartUpload",
        ("PUT", false) if request.asks("uploadId") && request.bytes == 0 => "UploadPartCopy",
        ("PUT", false) if request.asks("uploadId") => "UploadPart",
        ("PUT", false) => "PutObject",
        ("DELETE", false) if request.asks("uploadId") => "AbortMultipartUpload",
        ("DELETE", false) => "DeleteObject",
        _ => panic!("what is this? {request:?}"),
    }
}

/// What each command asked a store for.
type Made = BTreeMap<String, BTreeSet<String>>;

/// Everything there is to run, on a store that writes down what it is asked.
struct Watched {
    place: Place,
    store: StrictS3,
    made: Made,
}

impl Watched {
    async fn on(provider: Provider) -> Self {
        let (place, store) = (Place::start(ROOMS).await, StrictS3::start(provider).await);
        let embedded = place.store.addr().to_string();
        let settings = place.configuration().replace(&embedded, &store.addr().to_string());
        place.configure(&format!("{settings}\n[transfer]\npart_size = \"5MiB\"\n"));
        Self { place, store, made: Made::new() }
    }

    fn note(&mut self, command: &str) {
        let made = self.made.entry(command.to_owned()).or_default();
        made.extend(self.store.take().iter().map(|request| operation(request).to_owned()));
    }

    /// Runs a command, which may find something wrong, but has to be able to work.
    async fn run(&mut self, arguments: &[&str]) -> Ran {
        let ran = self.place.run(arguments).await;
        assert!(![1, 2].contains(&ran.code), "{arguments:?}: {ran:?}");
        self.note(arguments[0]);
        ran
    }

    /// A night on which an upload is refused, one on which the reply to another is lost, and what follows.
    async fn archive(&mut self) {
        self.run(&["doctor"]).await;
        let denied = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
        self.store.fault(move |request| {
            (operation(request) == "CompleteMultipartUpload").then(|| denied.clone())
        });
        // The second one gives the upload up that it resumed.
        self.run(&["run"]).await;
        self.run(&["run"]).await;
        self.store.heal();
        let lost = std::sync::atomic::AtomicBool::new(false);
        self.store.fault(move |request| {
            let is_first = operation(request) == "CreateMultipartUpload"
                && !lost.swap(true, std::sync::atomic::Ordering::SeqCst);
            is_first.then_some(Effect::LostReply)
        });
        self.run(&["run"]).await;
        self.store.heal();
        self.run(&["backfill", "--all", "--force"]).await;
        self.run(&["stitch", "--room", "1"]).await;
        self.run(&["ack", "--room", "3", "--by", "Li Lei", "--because", "before our time"]).await;
    }

    async fn read(&mut self) {
        for arguments in [
            &["status"][..],
            &["rooms"],
            &["verify"],
            &["verify", "--deep"],
            &["playlist", "--room", "1"],
            &["playlist", "--room", "2", "--format", "m3u8"],
        ] {
            self.run(arguments).await;
        }
        let mut serve = self.place.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        serve.env("REPLAY_ARCHIVER_SERVE__MEDIA", "proxy");
        let (child, url) = crate::serve::program::listening(serve).await;
        for path in ["readyz", "api/v1/accounts", "api/v1/accounts/wx1/rooms"] {
            get(&format!("{url}/{path}")).await;
        }
        let playback = get(&format!("{url}/api/v1/accounts/wx1/rooms/1/playback")).await;
        let playback: Value = serde_json::from_slice(&playback).unwrap();
        get(&format!("{url}{}", text(&playback["segments"][0]["url"]))).await;
        signal(child, "TERM").await;
        self.note("serve");
    }
}

/// An answer of the server.
async fn get(url: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client.get(url).send().await.unwrap().error_for_status().unwrap();
    reply.bytes().await.unwrap().to_vec()
}

/// What each command asks the stores for that play AWS, COS and OSS.
async fn made() -> Made {
    let mut all = Made::new();
    for provider in [Provider::Aws, Provider::Cos, Provider::Oss] {
        let mut watched = Watched::on(provider).await;
        watched.archive().await;
        watched.read().await;
        if provider != Provider::Oss {
            // OSS does not list uploads.
            watched.run(&["gc", "--abort", "--older-than", "0s"]).await;
        }
        assert_eq!(violations(&watched.store), [""; 0]);
        for (command, operations) in watched.made {
            all.entry(command).or_default().extend(operations);
        }
    }
    all
}

#[tokio::test]
async fn the_list_of_operations_is_what_each_command_makes() {
    let made = serde_json::to_string_pretty(&made().await).unwrap();
    check_generated(LIST, &format!("{made}\n"));
}

/// The published list.
pub fn listed() -> Made {
    serde_json::from_str(&page(LIST)).unwrap()
}

#[test]
fn the_list_has_every_operation_that_the_store_client_can_make_and_every_command() {
    let mut in_source = BTreeSet::new();
    for entry in std::fs::read_dir(file("src/store")).unwrap() {
        let path = entry.unwrap().path();
        let source = if path.is_file() { std::fs::read_to_string(path).unwrap() } else { continue };
        for after in source.split(".sdk()").skip(1) {
            let call = after.trim_start().strip_prefix('.').and_then(|rest| rest.split('(').next());
            let camel = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
            in_source.insert(call.unwrap().split('_').map(camel).collect::<String>());
        }
    }
    let listed = listed();
    let in_list: BTreeSet<String> = listed.values().flatten().cloned().collect();
    assert_eq!(in_list, in_source);
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_replay-archiver"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for name in names.filter(|name| !name.is_empty()) {
        assert!(
            listed.contains_key(name) != OTHERS.contains(&name),
            "{name}: watch it in this file, or name it among OTHERS"
        );
    }
}

#[test]
fn what_only_reads_is_content_with_keys_that_may_only_read() {
    let writing = ["Put", "Upload", "Create", "Complete", "Abort", "Delete"];
    for command in ["rooms", "verify", "playlist", "serve", "status"] {
        let operations = &listed()[command];
        let writes = |name: &&String| writing.iter().any(|word| name.starts_with(word));
        assert_eq!(operations.iter().find(writes), None, "{command}");
    }
}
