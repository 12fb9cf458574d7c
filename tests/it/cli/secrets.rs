//! Secrets stay secret, whatever is logged.

use super::program::{APP_SECRET, Place, ROOMS, STORE_SECRET, TOKEN};
use crate::bucket::holds;

/// What a signed URL and a call with a token have in them.
const TRACES: [&str; 7] =
    [APP_SECRET, STORE_SECRET, TOKEN, "sign=", "access_token=", "X-Amz-Signature=", "&us="];

#[tokio::test]
async fn no_secret_is_logged_printed_or_kept_even_where_things_fail() {
    let place = Place::start(&format!(
        "{ROOMS}[[fault]]\non = \"vod\"\npath = \"*f0.mp4\"\ntimes = 3\nthen = {{ status = {{ code = 503 }} }}\n\
         [[fault]]\non = \"vod\"\npath = \"*.m3u8\"\ntimes = 9\nthen = {{ reset = {{ at = 5 }} }}\n\
         [[fault]]\non = \"api\"\ncall = \"replays\"\nthen = {{ errcode = {{ code = 40001, message = \"access_token {TOKEN}\" }} }}\n\
         [[fault]]\non = \"api\"\ncall = \"rooms\"\nthen = \"html\"\n"
    ))
    .await;
    // stable_token gives the account's own token, which is the canary.
    let commands: [&[&str]; 7] = [
        &["run", "--json"],
        &["run"],
        &["backfill", "--all", "--force"],
        &["status", "--room", "1"],
        &["doctor"],
        &["plan"],
        &["verify", "--deep"],
    ];
    let mut logged = String::new();
    for format in ["text", "json"] {
        for command in commands {
            let arguments = [command, &["--log", "trace", "--log-format", format]].concat();
            let ran = place.run(&arguments).await;
            logged.push_str(&ran.err);
            for trace in TRACES {
                assert!(!ran.err.contains(trace), "{command:?}: {trace} in {}", ran.err);
                assert!(!ran.out.contains(trace), "{command:?}: {trace} in {}", ran.out);
            }
        }
    }
    assert!(logged.contains("is tried again"), "it logs what failed: {logged}");
    assert!(place.bucket().has_manifest(1), "the runs did their work");
    let tokens = place.sandbox.calls().iter().filter(|c| c.path.contains("stable_token")).count();
    assert!(tokens > 0, "the secret was used");
    for entry in std::fs::read_dir(place.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            let bytes = std::fs::read(&path).unwrap();
            for trace in TRACES {
                assert!(!holds(&bytes, trace), "{trace} in {}", path.display());
            }
        }
    }
}
