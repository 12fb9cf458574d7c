//! Rows of nights, read as an operator reads them: told each thing once, in time, in words to act on.

use replay_archiver::model::{Outcome, Reason};
use replay_archiver::notify::Digest;
use replay_archiver::notify::digest::{AccountDigest, Cause, Failure, Totals, Unread};

use super::receiver::{Receiver, Vendor};
use super::{Desktop, appid, at_risk, lost, of_one, room};

async fn wecom(more: &str) -> (Receiver, Desktop) {
    let receiver = Receiver::start(Vendor::Wecom).await;
    let text = format!("[[notify]]\nkind = \"wecom\"\nurl_env = \"URL\"\n{more}\n");
    let desktop = Desktop::new(&text, &[("URL", receiver.url())]).await;
    (receiver, desktop)
}

/// The first lines of what was taken.
fn titles(receiver: &Receiver) -> Vec<String> {
    let title = |text: &String| text.lines().next().unwrap_or_default().to_owned();
    receiver.texts().iter().map(title).collect()
}

#[tokio::test]
async fn a_failure_is_told_every_night_and_once_when_all_is_well_again() {
    use Outcome::{Continuing, Left, Ok};
    let (receiver, desktop) = wecom("").await;
    for outcome in [Ok, Left, Left, Ok, Ok, Continuing, Left, Continuing, Ok] {
        desktop.night(|at| of_one(outcome, at)).await;
    }
    desktop.night(|at| lost(&[(7, "新品")], at)).await;
    desktop.night(|at| of_one(Ok, at)).await;
    let left = "**⚠️ 直播回放归档：部分回放归档失败，下次运行会重试**";
    let well = "**✅ 直播回放归档：已恢复正常**";
    let lost = "**❌ 直播回放归档：有回放已被微信删除，无法找回**";
    assert_eq!(titles(&receiver), [left, left, well, left, well, lost]);
}

#[tokio::test]
async fn nothing_is_well_again_that_was_not_told_or_is_not_over() {
    use Outcome::{Continuing, Left, Ok};
    let (receiver, desktop) = wecom("on = [\"failed\", \"recovered\"]").await;
    for outcome in [Left, Ok, Left, Left, Continuing, Ok] {
        desktop.night(|at| of_one(outcome, at)).await;
    }
    assert_eq!(titles(&receiver), [""; 0], "what failed was not to be told");
    let (receiver, desktop) = wecom("").await;
    for (outcome, is_cut_short) in [(Left, false), (Continuing, true), (Ok, false)] {
        desktop.night(|at| Digest { is_cut_short, ..of_one(outcome, at) }).await;
        let told = titles(&receiver);
        let is_well = told.iter().any(|title| title.contains("已恢复正常"));
        assert_eq!(is_well, outcome == Ok, "a night that was cut short shows nothing: {told:?}");
    }
}

#[tokio::test]
async fn a_backfill_of_26_days_alarms_on_the_one_night_that_is_wrong() {
    let (receiver, desktop) = wecom("").await;
    for night in 0..26 {
        let outcome = if night == 12 { Outcome::AtRisk } else { Outcome::Continuing };
        desktop.night(|at| Digest { command: "backfill".to_owned(), ..of_one(outcome, at) }).await;
    }
    let told = ["**⏰ 直播回放补录：有回放可能来不及归档**", "**✅ 直播回放补录：已恢复正常**"];
    assert_eq!(titles(&receiver), told);
}

#[tokio::test]
async fn a_deadline_is_foretold_in_words_to_act_on() {
    let rooms = [(354, "双十一专场"), (355, "新品"), (356, "")];
    let (receiver, desktop) = wecom("").await;
    desktop.night(|at| at_risk(&rooms, 4, 9, at)).await;
    let text = receiver.one_since(0);
    let told = "9 天后，微信将删除 3 个直播间的 12 个回放（354 号「双十一专场」、355 号「新品」、356 号）：接口调用次数不够";
    assert!(text.contains(told), "{text}");

    let (receiver, desktop) = wecom("lang = \"en\"").await;
    desktop.night(|at| at_risk(&rooms, 4, 9, at)).await;
    let text = receiver.one_since(0);
    let told = "In 9 days WeChat deletes 12 replays of 3 rooms (354 “双十一专场”, 355 “新品”, 356): \
                there are not enough API calls";
    assert!(text.contains(told), "{text}");
}

#[tokio::test]
async fn what_many_rooms_suffer_is_one_line_with_what_to_do() {
    let (receiver, desktop) = wecom("lang = \"en\"").await;
    desktop
        .night(|at| {
            let mut digest = of_one(Outcome::Left, at);
            let failure = |number: u64| Failure {
                room: Some(room(number, "")),
                cause: Cause::from(&Reason {
                    message: format!("https://h/{number}.mp4?sign=canary: h is not allowed"),
                    hints: vec!["add h to [media] allow_hosts".to_owned()],
                }),
                more: 0,
            };
            digest.accounts[0].failures = (1..=8).map(failure).collect();
            digest
        })
        .await;
    let text = receiver.one_since(0);
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("Failed")).collect();
    let line = "Failed: 8 rooms (1, 2, 3, 4, 5 and 3 more): https：//h/… h is not allowed";
    assert_eq!(told, [line], "{text}");
    assert!(text.contains("Hint: add h to [media] allow_hosts"), "{text}");
}

#[tokio::test]
async fn a_channel_hears_of_its_accounts_and_events_alone() {
    let (receiver, desktop) = wecom("accounts = [\"wx2\"]\non = [\"left\"]").await;
    let night = |first: Outcome, second: Outcome| {
        move |at| {
            let mut digest = of_one(first, at);
            digest.accounts.push(AccountDigest::new(appid("wx2"), second));
            digest
        }
    };
    desktop.night(night(Outcome::Left, Outcome::Ok)).await;
    desktop.night(night(Outcome::Left, Outcome::AtRisk)).await;
    assert_eq!(receiver.taken().len(), 0);
    desktop.night(night(Outcome::Ok, Outcome::Left)).await;
    assert!(!receiver.one_since(0).contains("wx1"));
}

#[tokio::test]
async fn what_is_lost_in_a_night_on_which_more_is_wrong_is_told_to_who_wants_it() {
    let (receiver, desktop) = wecom("on = [\"at_risk\"]").await;
    desktop
        .night(|at| {
            let mut digest = lost(&[(1, "甲")], at);
            digest.accounts[0].at_risk =
                at_risk(&[(2, "乙")], 1, 1, at).accounts[0].at_risk.clone();
            digest
        })
        .await;
    let text = receiver.one_since(0);
    assert!(text.contains("甲") && text.contains("25 小时后"), "{text}");
}

/// An account for which nothing could be done.
fn refused(number: u64) -> AccountDigest {
    let name = format!("wx{number:016x}");
    let message = format!("getting a token for {name}: 40125");
    let cause = Cause::from(&Reason { message, hints: vec!["check the secret".to_owned()] });
    let failures = vec![Failure { room: None, cause, more: 0 }];
    AccountDigest { failures, ..AccountDigest::new(appid(&name), Outcome::Failed) }
}

#[tokio::test]
async fn what_is_lost_stands_before_what_failed_and_one_cause_of_many_accounts_is_one_line() {
    let (receiver, desktop) = wecom("").await;
    desktop
        .night(|at| {
            let mut digest = lost(&[(12, "丢失场")], at);
            digest.accounts.splice(0..0, (0..30).map(refused));
            digest
        })
        .await;
    let text = receiver.one_since(0);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].contains("wx1") && lines[2].contains("丢失场"), "{text}");
    let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("失败")).collect();
    assert!(failed.len() == 1 && failed[0].starts_with("失败：30 个账号（wx"), "{text}");
    assert_eq!(text.matches("check the secret").count(), 1, "{text}");
}

/// A file of accounts that cannot be read.
fn unread(message: &str, appids: &[&str]) -> Unread {
    let hints = vec!["correct the file".to_owned()];
    let cause = Cause::from(&Reason { message: message.to_owned(), hints });
    Unread { cause, appids: appids.iter().map(|name| appid(name)).collect() }
}

#[tokio::test]
async fn a_channel_hears_of_the_settings_of_its_accounts_alone() {
    let (receiver, desktop) = wecom("accounts = [\"wx2\"]").await;
    let night = |all: &[Unread], is_read: bool| {
        let all = all.to_vec();
        move |at| {
            let mut digest = Digest { unread: all.clone(), ..of_one(Outcome::Left, at) };
            digest.accounts[0].outcome = Outcome::Ok;
            let own = is_read.then(|| AccountDigest::new(appid("wx2"), Outcome::Ok));
            digest.accounts.extend(own);
            digest
        }
    };
    let others = [unread("b.toml, line 1", &["wx1"]), unread("c.toml, line 1", &[])];
    desktop.night(night(&others, true)).await;
    desktop.night(night(&others, false)).await;
    assert_eq!(receiver.taken().len(), 0);
    let own = unread("wx1, wx2, wx3 and 3 more: a.toml names it", &["wx1", "wx2", "wx3"]);
    desktop.night(night(&[&others[..], &[own]].concat(), false)).await;
    let text = receiver.one_since(0);
    let says = "失败：…, wx2, … and 3 more: a.toml names it";
    assert!(text.contains(says) && text.contains("部分回放归档失败"), "{text}");
    for other in ["wx1", "wx3", "b.toml", "c.toml"] {
        assert!(!text.contains(other), "{other}: {text}");
    }
    desktop.night(night(&others, true)).await;
    assert!(receiver.one_since(1).contains("已恢复正常"));
}

#[tokio::test]
async fn however_many_files_cannot_be_read_all_are_counted_and_each_hint_is_told_once() {
    let (receiver, desktop) = wecom("").await;
    let unread_of = |count: usize| {
        let file = |n: usize| unread(&format!("accounts.d/{n:02}.toml, line 1: no"), &[]);
        let of_ledger = |n: usize| {
            let appid = format!("wx{n:016}");
            unread(&format!("{appid}: NO_SECRET is not set"), &[&appid])
        };
        (0..count).map(file).chain((0..30).map(of_ledger)).collect::<Vec<_>>()
    };
    desktop.night(|at| Digest { unread: unread_of(20), ..of_one(Outcome::Left, at) }).await;
    let text = receiver.one_since(0);
    let failed: Vec<_> = text.lines().filter(|line| line.starts_with("失败")).collect();
    assert!(failed.len() == 8 && failed[0].starts_with("失败：30 个账号（wx"), "{text}");
    assert!(failed[1].contains("accounts.d/00.toml, line 1"), "{text}");
    assert!(text.contains("另有 13 类失败"), "{text}");
    assert_eq!(text.matches("correct the file").count(), 1, "{text}");
}

#[tokio::test]
async fn settings_that_can_be_read_again_are_told_once() {
    use Outcome::{AtRisk, Left, Ok};
    for (on, nights, told) in [
        ("", [(Left, true), (Left, true), (Ok, false), (Ok, false)], 3),
        ("", [(AtRisk, true), (Left, false), (Ok, false), (Ok, false)], 3),
        ("on = [\"left\"]", [(AtRisk, true), (Ok, false), (Ok, false), (Ok, false)], 1),
        (
            "on = [\"failed\", \"recovered\"]",
            [(Left, true), (Ok, false), (Ok, false), (Ok, false)],
            0,
        ),
    ] {
        let (receiver, desktop) = wecom(on).await;
        for (outcome, is_unread) in nights {
            let unread = is_unread.then(|| unread("a.toml, line 1", &[]));
            desktop
                .night(|at| Digest {
                    accounts: vec![AccountDigest::new(appid("wx1"), Ok)],
                    unread: unread.clone().into_iter().collect(),
                    ..of_one(outcome, at)
                })
                .await;
        }
        let titles = titles(&receiver);
        let well = titles.iter().filter(|title| title.contains("已恢复正常")).count();
        assert_eq!((titles.len(), well), (told, usize::from(told == 3)), "{on}: {titles:?}");
    }
}

#[tokio::test]
async fn what_is_counted_is_all_of_it_however_little_is_listed() {
    let (receiver, desktop) = wecom("").await;
    let night = |at| {
        let mut digest = lost(&[(1, "甲")], at);
        digest.accounts[0].at_risk = at_risk(&[(2, "乙")], 1, 9, at).accounts[0].at_risk.clone();
        let totals = Totals {
            rooms_lost: 2660,
            recordings_lost: 5320,
            rooms_at_risk: 2541,
            ..Totals::default()
        };
        digest.accounts[0].totals = totals;
        digest
    };
    desktop.night(night).await;
    let text = receiver.one_since(0);
    assert!(text.contains("已永久丢失：2660 个直播间的 5320 个回放（1 号「甲」 等）"), "{text}");
    assert!(text.contains("另有 2540 个直播间的回放面临删除"), "{text}");
    assert!(text.contains("申请提高额度") && !text.contains("无需处理"), "what to do: {text}");
}

#[tokio::test]
async fn deadlines_of_one_day_are_one_line_and_what_is_past_is_not_over() {
    let (receiver, desktop) = wecom("").await;
    desktop
        .night(|at| {
            let mut digest = of_one(Outcome::AtRisk, at);
            digest.accounts[0].at_risk = (0..18)
                .flat_map(|hour| {
                    let mut one = at_risk(&[(hour, "")], 1, 0, at).accounts.remove(0).at_risk;
                    one[0].deadline +=
                        jiff::SignedDuration::from_hours(i64::try_from(hour).unwrap());
                    one
                })
                .collect();
            digest
        })
        .await;
    let text = receiver.one_since(0);
    assert_eq!(text.matches("微信将删除").count(), 1, "{text}");
    assert!(text.contains("1 小时后，微信将删除 18 个直播间的 18 个回放"), "{text}");
    desktop
        .night(|at| {
            let mut digest = at_risk(&[(7, "")], 0, -1, at);
            digest.outcome = Outcome::AtRisk;
            digest
        })
        .await;
    let text = receiver.one_since(1);
    assert!(text.contains("已过微信的删除时间，尚未归档：1 个直播间"), "{text}");
    assert!(!text.contains("已恢复正常"), "{text}");
}

#[tokio::test]
async fn a_channel_of_one_account_is_not_told_the_bytes_of_all() {
    let (receiver, desktop) = wecom("accounts = [\"wx1\"]\non = [\"ok\"]").await;
    let night = |of: usize| {
        move |at| {
            let mut digest = Digest { bytes: 5 << 30, ..of_one(Outcome::Ok, at) };
            digest.accounts.extend((1..of).map(|_| AccountDigest::new(appid("wx2"), Outcome::Ok)));
            digest
        }
    };
    desktop.night(night(2)).await;
    desktop.night(night(1)).await;
    let texts = receiver.texts();
    assert!(!texts[0].contains("下载") && texts[1].contains("下载 5.0 GiB"), "{texts:#?}");
}

#[tokio::test]
async fn an_earlier_message_says_what_a_later_one_does_not_repeat() {
    let (receiver, desktop) = wecom("").await;
    receiver.is(super::receiver::Mood::Refuses);
    desktop
        .night(|at| {
            let mut digest = of_one(Outcome::Mismatch, at);
            (digest.command, digest.accounts[0].mismatches) = ("verify".to_owned(), 3);
            digest.accounts[0].mismatched = vec![room(12, "甲")];
            digest
        })
        .await;
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    receiver.is(super::receiver::Mood::Takes);
    desktop.night(|at| of_one(Outcome::Ok, at)).await;
    let text = receiver.one_since(0);
    assert!(text.contains("：核验：存储桶里的文件与清单不一致"), "{text}");
    assert!(text.contains("--room 12 --force") && text.contains("3 个文件"), "{text}");
    assert!(text.contains("：归档：已恢复正常") && !text.contains("全部完成"), "{text}");
}
