//! The outbox: no message twice, none missing, whoever dies.

use std::collections::BTreeSet;

use replay_archiver::model::Outcome;
use replay_archiver::notify::digest::{AccountDigest, Ended};
use replay_archiver::notify::{self, Desk, Digest, Memory};

use super::receiver::{Mood, Receiver, SECRET, Vendor};
use super::{Desktop, appid, lost, of_one};

async fn wecom() -> (Receiver, Desktop) {
    let receiver = Receiver::start(Vendor::Wecom).await;
    let text = "[[notify]]\nkind = \"wecom\"\nurl_env = \"URL\"\n";
    let desktop = Desktop::new(text, &[("URL", receiver.url())]).await;
    (receiver, desktop)
}

#[tokio::test]
async fn what_could_not_be_sent_is_in_the_next_nights_message_once() {
    let (receiver, desktop) = wecom().await;
    receiver.is(Mood::HangsUp);
    desktop.night(|at| lost(&[(1, "甲")], at)).await;
    receiver.is(Mood::Refuses);
    desktop.night(|at| lost(&[(2, "乙")], at)).await;
    receiver.is(Mood::Takes);
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    let text = receiver.one_since(0);
    assert!(text.contains("1 号「甲」") && text.contains("2 号「乙」"), "{text}");
    assert!(text.contains("此前未能送达的消息（11 月 23 日 11:00）"), "{text}");
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test]
async fn of_many_processes_one_sends_what_waits() {
    let (receiver, desktop) = wecom().await;
    receiver.is(Mood::Fails(400));
    for room in 1..=5 {
        desktop.night(|at| lost(&[(room, "甲")], at)).await;
    }
    receiver.is(Mood::Takes);
    let digest = of_one(Outcome::Ok, desktop.clock.now());
    let senders: Vec<_> = (0..8).map(|n| format!("process-{n}")).collect();
    let all = senders.iter().map(|sender| {
        notify::tell(&desktop.alerts.channels, desktop.desk(sender), &digest, Memory::Kept)
    });
    futures::future::join_all(all).await;
    let told: Vec<_> = receiver.texts();
    let lines = told.iter().flat_map(|text| text.lines()).filter(|line| line.contains("永久丢失"));
    let lines: Vec<_> = lines.collect();
    assert_eq!((lines.len(), lines.iter().collect::<BTreeSet<_>>().len()), (5, 5), "{told:#?}");
}

#[tokio::test]
async fn the_message_of_a_process_that_died_is_sent_by_another_later() {
    let (receiver, desktop) = wecom().await;
    let name = &desktop.alerts.channels[0].name;
    let digest = lost(&[(9, "甲")], desktop.clock.now());
    let text = serde_json::to_string(&digest).unwrap();
    let notice = replay_archiver::ledger::Notice { id: "msg_1".to_owned(), digest: text };
    desktop.ledger.add_notice(&notice, name, "dead", desktop.clock.now()).await.unwrap();
    let ok = of_one(Outcome::Ok, desktop.clock.now());
    notify::tell(&desktop.alerts.channels, desktop.desk("soon"), &ok, Memory::Kept).await;
    assert_eq!(receiver.taken().len(), 0, "it may still be sending");
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    assert!(receiver.one_since(0).contains("9 号「甲」"));
}

#[tokio::test]
async fn what_another_version_left_in_the_outbox_stays_there() {
    let (receiver, desktop) = wecom().await;
    let name = &desktop.alerts.channels[0].name;
    let notice =
        replay_archiver::ledger::Notice { id: "msg_1".to_owned(), digest: "{}".to_owned() };
    desktop.ledger.add_notice(&notice, name, "dead", desktop.clock.now()).await.unwrap();
    for _ in 0..2 {
        desktop.night(|at| of_one(Outcome::Left, at)).await;
    }
    assert_eq!(receiver.taken().len(), 2);
    assert_eq!(desktop.ledger.waiting_notices(name).await.unwrap(), ["{}"]);
}

#[tokio::test]
async fn a_webhook_that_was_away_for_nights_of_many_accounts_takes_what_waited() {
    let receiver = Receiver::start(Vendor::Webhook).await;
    let text = "[[notify]]\nkind = \"webhook\"\nurl_env = \"URL\"\nsecret_env = \"SIGN\"\n";
    let variables = [("URL", receiver.url()), ("SIGN", SECRET.to_owned())];
    let desktop = Desktop::new(text, &variables).await;
    let night = |at| {
        let mut digest = lost(&[(7, "甲")], at);
        let account = |n| AccountDigest::new(appid(&format!("wx{n:016}")), Outcome::Left);
        digest.accounts.extend((0..2000).map(account));
        digest
    };
    receiver.is(Mood::Fails(400));
    for _ in 0..11 {
        desktop.night(night).await;
    }
    receiver.is(Mood::TakesUpTo(300 << 10));
    desktop.night(night).await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0]["data"]["digest"]["now"]["accounts"][0]["lost"][0].is_object());
    receiver.is(Mood::TakesUpTo(20 << 10));
    desktop.night(night).await;
    assert_eq!(receiver.taken().len(), 2);
    assert!(receiver.taken()[1]["data"]["digest"].is_null());
    assert!(receiver.texts()[1].contains("7 号「甲」"), "{:?}", receiver.texts()[1]);
}

#[tokio::test]
async fn without_a_ledger_a_message_is_sent_directly() {
    let (receiver, desktop) = wecom().await;
    let digest = of_one(Outcome::Left, desktop.clock.now());
    let desk = Desk { ledger: None, ..desktop.desk("one") };
    notify::tell(&desktop.alerts.channels, desk, &digest, Memory::Kept).await;
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test]
async fn an_account_that_a_run_did_not_look_at_is_not_well_again() {
    let (receiver, desktop) = wecom().await;
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    desktop
        .night(|at| {
            let mut digest = of_one(Outcome::Continuing, at);
            digest.accounts[0].is_unseen = true;
            digest
        })
        .await;
    assert_eq!(receiver.taken().len(), 1);
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    assert!(receiver.one_since(1).contains("已恢复正常"));
}

#[tokio::test]
async fn what_a_deep_verification_found_is_over_when_one_as_deep_finds_nothing() {
    let (receiver, desktop) = wecom().await;
    const DEEP: &[&str] = &["", " --deep"];
    let verified = |outcome: Outcome, looks: &'static [&'static str]| {
        move |at| {
            let mut digest = of_one(outcome, at);
            (digest.command, digest.looks) = ("verify".to_owned(), looks);
            digest.accounts[0].mismatches = u64::from(outcome == Outcome::Mismatch);
            digest
        }
    };
    desktop.night(verified(Outcome::Mismatch, DEEP)).await;
    desktop.night(verified(Outcome::Ok, &[""])).await;
    assert_eq!(receiver.taken().len(), 1, "a shallow one does not see it");
    desktop.night(verified(Outcome::Ok, DEEP)).await;
    assert!(receiver.one_since(1).contains("已恢复正常"));
    desktop.night(verified(Outcome::Mismatch, &[""])).await;
    desktop.night(verified(Outcome::Ok, DEEP)).await;
    assert!(receiver.texts()[3].contains("已恢复正常"), "a deeper one sees it too");
}

#[tokio::test]
async fn a_run_of_some_accounts_ends_nothing_that_concerns_all() {
    let (receiver, desktop) = wecom().await;
    let took = std::time::Duration::from_secs(1);
    desktop
        .night(|at| {
            let ended = Ended { command: "run", outcome: Outcome::Failed, at, took };
            Digest::of_failure(&"the bucket is not there".into(), ended)
        })
        .await;
    let ok = of_one(Outcome::Ok, desktop.clock.now());
    notify::tell(&desktop.alerts.channels, desktop.desk("one"), &ok, Memory::OfSome).await;
    assert_eq!(receiver.taken().len(), 1);
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    assert!(receiver.one_since(1).contains("已恢复正常"));
}

#[tokio::test]
async fn that_some_accounts_are_well_again_is_told_though_the_first_message_of_it_was_lost() {
    let (receiver, desktop) = wecom().await;
    let night = |first: Outcome| {
        move |at| {
            let mut digest = Digest { outcome: Outcome::Left, ..of_one(first, at) };
            digest.accounts.push(AccountDigest::new(appid("wx2"), Outcome::Left));
            digest
        }
    };
    desktop.night(night(Outcome::Left)).await;
    receiver.is(Mood::Fails(400));
    desktop.night(night(Outcome::Ok)).await;
    receiver.is(Mood::Takes);
    desktop.night(night(Outcome::Ok)).await;
    desktop.night(night(Outcome::Ok)).await;
    let told: Vec<_> =
        receiver.texts().iter().map(|text| text.contains("此前的问题已经解决：wx1")).collect();
    assert_eq!(told, [false, true, false], "{:#?}", receiver.texts());
}
