use super::*;
use crate::notify::digest::{AccountDigest, Ended};

fn digest(outcome: Outcome, at: &str) -> Digest {
    let account =
        AccountDigest { rooms_left: 3, ..AccountDigest::new("wx1".parse().unwrap(), outcome) };
    let ended =
        Ended { command: "run", outcome, at: at.parse().unwrap(), took: Default::default() };
    Digest { accounts: vec![account], ..Digest::empty(ended) }
}

fn value(file: &Path, series: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap();
    let line =
        text.lines().find_map(|line| line.strip_prefix(&format!("replay_archiver_{series} ")));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

#[test]
fn a_failure_does_not_make_the_file_forget_the_last_success() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay_archiver.prom");
    let begin = |at: &str| Metrics::begin(&file, at.parse().unwrap(), ["wx1"].into_iter());
    let (none, counts) = (BTreeMap::new(), Counts::default());
    let mut first = begin("2026-11-22T03:00:00Z");
    first.progress(counts);
    assert_eq!(
        (value(&file, "run_running"), value(&file, "run_last_success_timestamp_seconds")),
        (1.0, 0.0)
    );
    first.end(&digest(Outcome::Ok, "2026-11-22T03:00:10Z"), counts, &none);
    let success = value(&file, "run_last_success_timestamp_seconds");
    assert_eq!((value(&file, "run_running"), value(&file, "run_duration_seconds")), (0.0, 10.0));
    let mut second = begin("2026-11-23T03:00:00Z");
    second.end(&digest(Outcome::Failed, "2026-11-23T03:00:10Z"), counts, &none);
    for series in [
        "run_last_success_timestamp_seconds",
        "account_last_success_timestamp_seconds{appid=\"wx1\"}",
    ] {
        assert_eq!(value(&file, series), success, "{series}");
    }
    assert_eq!(value(&file, "run_outcome{outcome=\"failed\"}"), 1.0);
    assert_eq!(value(&file, "run_outcome{outcome=\"ok\"}"), 0.0);
    assert_eq!(value(&file, "account_rooms_left{appid=\"wx1\"}"), 3.0);
    let cut = Digest { is_cut_short: true, ..digest(Outcome::Continuing, "2026-11-24T03:00:10Z") };
    let accounts = vec![AccountDigest::new("wx1".parse().unwrap(), Outcome::Continuing)];
    begin("2026-11-24T03:00:00Z").end(&Digest { accounts, ..cut }, counts, &none);
    assert_eq!(value(&file, "account_rooms_left{appid=\"wx1\"}"), 3.0, "it could not say");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it");
}
