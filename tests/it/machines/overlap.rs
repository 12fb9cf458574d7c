//! Two nightly runs on one machine that overlap.

use super::fleet::{Fleet, SEGMENT, fetched, written};
use crate::cli::program::ended;
use crate::strict::Request;

#[tokio::test(flavor = "multi_thread")]
async fn two_overlapping_runs_on_one_sqlite_file_do_nothing_twice() {
    let mut scenario = String::new();
    for account in 1..=4 {
        scenario += &format!(
            "[[account]]\nappid = \"wx{account}\"\nsecret = \"canary-appsecret-8c1f0a2b\"\n\
             [[account.generate]]\ncount = 4\nfirst_id = {account}01\nnewest = \"-3d\"\n"
        );
    }
    let fleet = Fleet::start(&scenario, "", "").await;
    let (one, other) = (fleet.worker(&[]), fleet.worker(&[]));
    for ran in [ended(one).await, ended(other).await] {
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
        let is_expected = |line: &str| line.starts_with("created a new ledger: ");
        assert!(ran.err.lines().all(is_expected), "{}", ran.err);
    }
    let requests = fleet.front.take();
    assert!(written(&requests).values().all(|&times| times == 1), "{:#?}", written(&requests));
    assert_eq!(fleet.bucket().keys("/manifest.json").len(), 16);
    let bytes = fetched(&fleet.media(), SEGMENT);
    assert!(bytes.len() == 16 && bytes.values().all(|&bytes| bytes == SEGMENT), "{bytes:#?}");
    let asked = fleet.asked();
    assert!(asked.len() == 16 && asked.values().all(|&times| times == 1), "{asked:?}");

    let bucket = fleet.archive();
    let again = fleet.run(&[]).await;
    assert_eq!((again.code, fleet.media().len()), (0, 16), "{again:?}");
    let is_of_rooms =
        |request: &Request| request.is_write() && !request.key.ends_with("/status.json");
    assert!(!fleet.front.take().iter().any(is_of_rooms));
    assert!(fleet.archive() == bucket);
}
