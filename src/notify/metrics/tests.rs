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
    let begin = |at: &str| {
        let places = Places { file: Some(file.clone()), board: None };
        Metrics::begin(places, at.parse().unwrap(), (["wx1"].into_iter(), Others::None))
    };
    let mut first = begin("2026-11-22T03:00:00Z");
    first.progress(Counts::default());
    assert_eq!(
        (value(&file, "run_running"), value(&file, "run_last_success_timestamp_seconds")),
        (1.0, 0.0)
    );
    first.end(&digest(Outcome::Ok, "2026-11-22T03:00:10Z"), None);
    let success = value(&file, "run_last_success_timestamp_seconds");
    assert_eq!((value(&file, "run_running"), value(&file, "run_duration_seconds")), (0.0, 10.0));
    let mut second = begin("2026-11-23T03:00:00Z");
    second.end(&digest(Outcome::Failed, "2026-11-23T03:00:10Z"), None);
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
    begin("2026-11-24T03:00:00Z").end(&Digest { accounts, ..cut }, None);
    assert_eq!(value(&file, "account_rooms_left{appid=\"wx1\"}"), 3.0, "it could not say");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it");
}

#[test]
fn how_long_the_stages_took_is_kept_until_a_run_works_on_the_account_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay_archiver.prom");
    let stage = |appid: &str, stage: &str| {
        format!(
            "replay_archiver_account_stage_seconds{{appid=\"{appid}\",stage=\"{stage}\"}} 1.5\n"
        )
    };
    let (seal, later, other) = (stage("wx1", "seal"), stage("wx1", "polish"), stage("wx9", "seal"));
    std::fs::write(&file, format!("{seal}{later}{other}")).unwrap();
    let places = Places { file: Some(file.clone()), board: None };
    let at = "2026-11-22T03:00:00Z".parse().unwrap();
    Metrics::begin(places, at, (["wx1"].into_iter(), Others::None)).progress(Counts::default());
    let text = std::fs::read_to_string(&file).unwrap();
    let stages = text.lines().filter(|line| line.contains("account_stage_seconds{"));
    assert_eq!(stages.collect::<Vec<_>>(), [seal.trim_end()], "{text}");
    assert_eq!(value(&file, "run_stage_seconds{stage=\"seal\"}"), 0.0);
    assert_eq!(value(&file, "accounts"), 1.0);
}

#[test]
fn every_series_is_known_before_a_run_has_values() {
    let board = Board::default();
    let places = Places { file: None, board: Some(board.clone()) };
    let mut metrics =
        Metrics::begin(places, Timestamp::UNIX_EPOCH, (["wx1"].into_iter(), Others::None));
    metrics.end(&digest(Outcome::Ok, "2026-11-22T03:00:10Z"), None);
    let names = |families: Vec<Family>| families.into_iter().map(|family| family.name);
    assert!(names(Metrics::blank()).eq(names(series(&metrics))));
    assert_eq!(board.values("run_running"), [(Vec::new(), 0.0)]);
    assert_eq!(board.values("account_rooms_left"), [(vec![("appid", "wx1".to_owned())], 3.0)]);
    assert!(board.values("rooms_at_risk").is_empty(), "the run could not forecast it");
}

#[test]
fn an_account_from_elsewhere_keeps_its_series_until_a_run_has_looked_at_all_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay_archiver.prom");
    let begin = |others| {
        let at = "2026-11-23T03:00:00Z".parse().unwrap();
        let places = Places { file: Some(file.clone()), board: None };
        Metrics::begin(places, at, (["wx1"].into_iter(), others))
    };
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
    begin(Others::Found).end(&digest(&["wx1", "wx2"]), None);
    begin(Others::Found).progress(Counts::default());
    assert_eq!(value(&file, "account_rooms_left{appid=\"wx2\"}"), 3.0, "while the next run works");
    begin(Others::Unseen).end(&digest(&["wx1"]), None);
    assert!(has("wx2"), "a run with --account does not know");
    let stopped = Digest { stopped: Some((&Reason::from("no ledger")).into()), ..digest(&[]) };
    begin(Others::Found).end(&stopped, None);
    assert!(has("wx2"), "a run that could not work does not know");
    begin(Others::Found).end(&digest(&["wx1"]), None);
    assert!(!has("wx2") && has("wx1"), "it is not among the accounts any more");
    begin(Others::Found).end(&digest(&["wx1", "wx2"]), None);
    begin(Others::None).progress(Counts::default());
    assert!(!has("wx2"), "the configuration has no other accounts any more");
}

#[test]
fn what_is_counted_is_more_than_what_a_message_lists() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay_archiver.prom");
    let mut digest = digest(Outcome::Lost, "2026-11-22T03:00:10Z");
    let account = &mut digest.accounts[0];
    account.totals.recordings_lost = 2660;
    account.totals.rooms_at_risk = 2541;
    account.lost_before = Some(1);
    account.calls = Some(crate::model::Calls { limit: 500, used: 500, left: 0 });
    let places = Places { file: Some(file.clone()), board: None };
    let wx1 = (["wx1"].into_iter(), Others::None);
    Metrics::begin(places, digest.ended_at, wx1).end(&digest, None);
    assert_eq!(value(&file, "recordings_lost"), 2661.0);
    assert_eq!(value(&file, "rooms_at_risk"), 2541.0);
}
