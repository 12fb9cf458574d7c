//! What lies in the bucket by now: manifests and catalogs.

use std::path::PathBuf;

use super::trial::{Bound, PROMISED, Trial};
use crate::cli::program::ROOMS;

const MANIFEST: &str = "live/wx1/rooms/1/manifest.json";
const CATALOG: &str = "live/wx1/catalog.json";

/// Archives the rooms and puts something into a file of the bucket, behind `place`.
async fn with(file: &str, place: &str, what: &str) -> Trial {
    let trial = Trial::start(ROOMS).await;
    trial.place.good(&["run"]).await;
    let path = trial.place.objects().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(place), "{text}");
    std::fs::write(&path, text.replacen(place, &format!("{place}{what}"), 1)).unwrap();
    trial
}

fn ledger_files(trial: &Trial) -> Vec<PathBuf> {
    let files = std::fs::read_dir(trial.place.folder.path()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    files.filter(|file| file.to_string_lossy().contains("ledger.sqlite")).collect()
}

/// 48 MB.
fn keys() -> String {
    "\"a\",".repeat(12_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_millions_of_keys_is_refused_before_it_is_taken_apart() {
    let trial = with(MANIFEST, "\"keys\": [", &keys()).await;
    let bound = |code| Bound { code, seconds: 120, mib: PROMISED };
    for (command, code) in [
        (&["verify"][..], 5),
        (&["verify", "--deep", "--room", "1"], 5),
        (&["playlist", "--room", "1"], 1),
        (&["run"], 0),
    ] {
        let row = format!("a manifest of 48 MB with 12 million keys: {command:?}");
        let cost = trial.run(command).await.within(&row, bound(code));
        assert!(
            code == 0 || format!("{}{}", cost.out, cost.err).contains("more than 1000000 values"),
            "{cost:?}"
        );
    }
    for file in ledger_files(&trial) {
        std::fs::remove_file(file).unwrap();
    }
    let row = "a manifest of 48 MB with 12 million keys: a run without its ledger";
    trial.run(&["run"]).await.within(row, bound(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_says_that_nobody_knows_costs_nothing() {
    let values = "9,".repeat(400_000);
    let unknown = format!("\"unknown\": {{ \"a\": [{values}9] }}, ");
    let trial = with(MANIFEST, "{", &unknown).await;
    let bound = |code| Bound { code, seconds: 60, mib: 32 };
    trial.run(&["playlist", "--room", "1"]).await.within("400,000 unknown values", bound(0));
    trial.run(&["verify"]).await.within("400,000 unknown values: verify", bound(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_of_millions_of_values_is_refused_before_it_is_taken_apart() {
    let trial = with(CATALOG, "\"rooms\": [", &"1,".repeat(24_000_000)).await;
    let bound = |code| Bound { code, seconds: 120, mib: PROMISED };
    let cost = trial.run(&["verify"]).await;
    cost.within("a catalog of 48 MB with 24 million values: verify", bound(5));
    for file in ledger_files(&trial) {
        std::fs::remove_file(file).unwrap();
    }
    let row = "a catalog of 48 MB with 24 million values: a run without its ledger";
    trial.run(&["run"]).await.within(row, bound(0));
}
