use super::*;
use crate::model::Reason;
use crate::notify::digest::Ended;

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
    let begin =
        |at: &str| Metrics::begin(&file, at.parse().unwrap(), (["wx1"].into_iter(), Others::None));
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

#[test]
fn an_account_from_elsewhere_keeps_its_series_until_a_run_has_looked_at_all_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay_archiver.prom");
    let begin = |others| {
        let at = "2026-11-23T03:00:00Z".parse().unwrap();
        Metrics::begin(&file, at, (["wx1"].into_iter(), others))
    };
    let none = BTreeMap::new();
    let has = |appid: &str| {
        std::fs::read_to_string(&file)
            .unwrap()
            .contains(&format!("rooms_left{{appid=\"{appid}\"}}"))
    };
    let digest = |appids: &[&str]| {
        let account = |appid: &&str| AccountDigest {
            rooms_left: 3,
            ..AccountDigest::new(appid.parse().unwrap(), Outcome::Ok)
        };
        let accounts = appids.iter().map(account).collect();
        Digest { accounts, ..digest(Outcome::Ok, "2026-11-23T03:00:10Z") }
    };
    begin(Others::Found).end(&digest(&["wx1", "wx2"]), Counts::default(), &none);
    begin(Others::Found).progress(Counts::default());
    assert_eq!(value(&file, "account_rooms_left{appid=\"wx2\"}"), 3.0, "while the next run works");
    begin(Others::Unseen).end(&digest(&["wx1"]), Counts::default(), &none);
    assert!(has("wx2"), "a run with --account does not know");
    let stopped = Digest { stopped: Some((&Reason::from("no ledger")).into()), ..digest(&[]) };
    begin(Others::Found).end(&stopped, Counts::default(), &none);
    assert!(has("wx2"), "a run that could not work does not know");
    begin(Others::Found).end(&digest(&["wx1"]), Counts::default(), &none);
    assert!(!has("wx2") && has("wx1"), "it is not among the accounts any more");
    begin(Others::Found).end(&digest(&["wx1", "wx2"]), Counts::default(), &none);
    begin(Others::None).progress(Counts::default());
    assert!(!has("wx2"), "the configuration has no other accounts any more");
}
