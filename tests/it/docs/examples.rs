//! The worked examples for COS and OSS: run as they are written, against the strict store that behaves as the
//! vendor's. Their blocks are marked `<!-- run against cos -->` and `<!-- run against oss -->`.

use crate::cli::program::{APP_SECRET, Place, ended};
use crate::strict::{ACCESS_KEY, BUCKET, Provider, SECRET_KEY, StrictS3};

use super::{blocks, page, violations};

/// The account of the examples, with a room.
const ACCOUNT: &str = "
[[account]]
appid = \"wx0123456789abcdef\"
secret = \"SECRET\"
[[account.room]]
id = 354
start = \"-2d\"
[[account.room.replay]]
size = \"6MiB\"
[[account.room.replay]]
";

/// Pages with examples; those in Chinese may not be there.
const PAGES: [&str; 3] = ["README.md", "README.zh-CN.md", "docs/zh/quickstart.md"];

/// Somebody who follows an example step by step.
struct Newcomer {
    place: Place,
    store: StrictS3,
    /// What the example exports.
    exported: Vec<(String, String)>,
}

impl Newcomer {
    async fn arrives(provider: Provider) -> Self {
        let place = Place::start(&ACCOUNT.replace("SECRET", APP_SECRET)).await;
        std::fs::remove_file(place.folder.path().join("pipeline.toml")).unwrap();
        Self { place, store: StrictS3::start(provider).await, exported: Vec::new() }
    }

    /// Follows a block: a file to write, or lines to type.
    async fn follow(&mut self, language: &str, text: &str) {
        if language == "toml" {
            return self.place.configure(text);
        }
        for line in text.lines().map(|line| line.split("  #").next().unwrap_or_default().trim()) {
            if let Some(assignment) = line.strip_prefix("export ") {
                let (name, _) = assignment.split_once('=').expect("a value is exported");
                let is_key = name.ends_with("SECRET_KEY");
                let value = if is_key { SECRET_KEY } else { APP_SECRET };
                self.exported.push((name.to_owned(), value.to_owned()));
            } else if let Some(arguments) = line.strip_prefix("replay-archiver ") {
                self.types(&arguments.split_whitespace().collect::<Vec<_>>()).await;
            } else {
                assert!(line.is_empty() || line.starts_with('#'), "how is this run? {line}");
            }
        }
    }

    /// Runs the program as the example says. Only the addresses, the bucket and the key are others.
    async fn types(&self, arguments: &[&str]) {
        let media = self.place.sandbox.vod_addr().to_string();
        let mut command = self.place.command(arguments);
        command.envs(self.exported.iter().map(|(name, value)| (name, value))).envs([
            ("REPLAY_ARCHIVER_STORE__ENDPOINT", self.store.endpoint()),
            ("REPLAY_ARCHIVER_STORE__BUCKET", BUCKET.to_owned()),
            ("REPLAY_ARCHIVER_STORE__ACCESS_KEY", ACCESS_KEY.to_owned()),
            ("REPLAY_ARCHIVER_STORE__PATH_STYLE", "on".to_owned()),
            (
                "REPLAY_ARCHIVER_WECHAT__BASE_URL",
                format!("http://{}", self.place.sandbox.api_addr()),
            ),
            ("REPLAY_ARCHIVER_MEDIA__ALLOW_HOSTS", media.clone()),
            ("REPLAY_ARCHIVER_IMAGES__ALLOW_HOSTS", media),
        ]);
        let ran = ended(command.spawn().unwrap()).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
    }
}

/// The endpoint of the example is the vendor's own.
fn check_endpoint(text: &str, vendor: &str) {
    let settings: toml::Table = toml::from_str(text).unwrap();
    let endpoint = settings["store"]["endpoint"].as_str().unwrap();
    let host = match vendor {
        "cos" => ".myqcloud.com",
        _ => ".aliyuncs.com",
    };
    assert!(endpoint.starts_with("https://") && endpoint.ends_with(host), "{endpoint}");
}

#[tokio::test]
async fn the_examples_for_cos_and_oss_archive_a_room_as_they_are_written() {
    for path in PAGES {
        let text = std::fs::read_to_string(super::file(path)).unwrap_or_default();
        for (vendor, provider) in [("cos", Provider::Cos), ("oss", Provider::Oss)] {
            let blocks = blocks(&text, &format!("run against {vendor}"));
            assert!(path != PAGES[0] || blocks.len() > 1, "{path} has no example for {vendor}");
            if blocks.is_empty() {
                continue;
            }
            let mut newcomer = Newcomer::arrives(provider).await;
            for (language, block) in &blocks {
                newcomer.follow(language, block).await;
                if language == "toml" {
                    check_endpoint(block, vendor);
                }
            }
            assert_eq!(violations(&newcomer.store), [""; 0]);
            let manifest = "wx0123456789abcdef/rooms/354/manifest.json";
            let is_archived = newcomer.store.objects().keys().any(|key| key.ends_with(manifest));
            assert!(is_archived, "{path}: the example for {vendor} archives nothing");
        }
    }
    assert!(page(PAGES[0]).contains("strict"), "the page says what the examples were run against");
}
