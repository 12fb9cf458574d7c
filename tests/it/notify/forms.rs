//! Each vendor's form, limits, signatures, and ways to say no.

use std::time::Instant;

use replay_archiver::model::Outcome;
use replay_archiver::notify::{self, Digest};

use super::receiver::{LONG, Mood, Receiver, SECRET, Vendor};
use super::{Desktop, at_risk, lost, of_one};

const VENDORS: [(Vendor, &str, &str); 4] = [
    (Vendor::Wecom, "wecom", ""),
    (Vendor::Dingtalk, "dingtalk", "secret_env = \"SECRET\"\nkeyword = \"归档机器人\""),
    (Vendor::Feishu, "feishu", "secret_env = \"SECRET\""),
    (Vendor::Webhook, "webhook", "secret_env = \"SECRET\""),
];

async fn of(vendor: Vendor) -> (Receiver, Desktop) {
    let (_, kind, more) = VENDORS.into_iter().find(|(known, ..)| *known == vendor).unwrap();
    let receiver = Receiver::start(vendor).await;
    let text = format!("[[notify]]\nkind = \"{kind}\"\nurl_env = \"URL\"\n{more}\n");
    let variables = [("URL", receiver.url()), ("SECRET", SECRET.to_owned())];
    let desktop = Desktop::new(&text, &variables).await;
    (receiver, desktop)
}

#[tokio::test]
async fn each_vendor_takes_a_message_in_its_own_form() {
    for (vendor, ..) in VENDORS {
        let (receiver, desktop) = of(vendor).await;
        notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await.unwrap();
        assert!(receiver.one_since(0).contains("测试消息"), "{vendor:?}");
        desktop.night(|at| lost(&[(354, "双十一专场")], at)).await;
        let text = receiver.one_since(1);
        assert!(
            text.contains("已永久丢失：1 个直播间的 1 个回放（354 号「双十一专场」）"),
            "{text}"
        );
    }
}

/// A night about a thousand rooms, whose names are made to do harm.
fn overwhelming(at: jiff::Timestamp) -> Digest {
    let names: Vec<_> =
        (0..1000).map(|n| (n, format!("<@all>[领奖](http://evil/{n}) **直播**\n# {n}"))).collect();
    let rooms: Vec<_> = names.iter().map(|(n, name)| (*n, name.as_str())).collect();
    let mut digest = lost(&rooms, at);
    digest.accounts[0].at_risk = at_risk(&rooms, 3, 9, at).accounts[0].at_risk.clone();
    digest
}

#[tokio::test]
async fn a_message_of_any_size_is_taken_by_each_and_obeyed_by_none() {
    for (vendor, ..) in VENDORS {
        let (receiver, desktop) = of(vendor).await;
        desktop.night(overwhelming).await;
        let text = receiver.one_since(0);
        assert!(
            text.contains("＜＠all＞") && !text.contains("<@") && !text.contains("]("),
            "{text}"
        );
        assert!(text.contains('…') && !text.contains("http://evil"), "{vendor:?}: {text}");
    }
}

#[tokio::test]
async fn what_the_body_says_decides_and_not_the_status() {
    for (vendor, ..) in VENDORS {
        for mood in [Mood::Refuses, Mood::Page] {
            if vendor == Vendor::Webhook {
                continue;
            }
            let (receiver, desktop) = of(vendor).await;
            receiver.is(mood);
            let refused = notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await;
            let error = refused.unwrap_err().to_string();
            assert!(receiver.taken().is_empty() && error.contains("127.0.0.1"), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_wrong_signature_is_explained() {
    let receiver = Receiver::start(Vendor::Feishu).await;
    let text = "[[notify]]\nkind = \"feishu\"\nurl_env = \"URL\"\nsecret_env = \"SECRET\"\n";
    let variables = [("URL", receiver.url()), ("SECRET", "another".to_owned())];
    let desktop = Desktop::new(text, &variables).await;
    let refused = notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("19021") && error.contains("hint: is secret_env"), "{error}");
}

#[tokio::test]
async fn a_server_that_fails_for_a_moment_gets_the_message_once() {
    for (vendor, ..) in VENDORS {
        let (receiver, desktop) = of(vendor).await;
        receiver.is(Mood::FailsFirst(1));
        desktop.night(|at| of_one(Outcome::Left, at)).await;
        assert_eq!((receiver.asked(), receiver.taken().len()), (2, 1), "{vendor:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_delays_nothing_for_long_and_is_not_asked_twice() {
    let (receiver, desktop) = of(Vendor::Wecom).await;
    receiver.is(Mood::Silent);
    let began = Instant::now();
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    assert!(began.elapsed() < LONG, "{:?}", began.elapsed());
    assert_eq!(receiver.asked(), 1, "it may have the message");
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_asked_no_more_until_its_address_changes() {
    let (receiver, mut desktop) = of(Vendor::Webhook).await;
    receiver.is(Mood::Fails(410));
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    assert_eq!(receiver.asked(), 1);
    let shown = notify::preview(&desktop.alerts.channels[0], desktop.desk("one")).await.unwrap();
    assert!(shown.is_none(), "it will not get it");
    receiver.is(Mood::Takes);
    let text = "[[notify]]\nkind = \"webhook\"\nurl_env = \"URL\"\nsecret_env = \"SECRET\"\n";
    let url = format!("{}&new=1", receiver.url());
    let variables = [("URL", url), ("SECRET", SECRET.to_owned())];
    desktop.alerts = super::alerts(desktop.folder.path(), text, &variables);
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    assert_eq!(receiver.taken().len(), 1);
}

#[tokio::test]
async fn a_webhook_and_a_command_get_data_beside_the_text() {
    let (receiver, desktop) = of(Vendor::Webhook).await;
    desktop.night(|at| lost(&[(7, "新品")], at)).await;
    let taken = &receiver.taken()[0];
    assert_eq!(taken["type"], "replay_archiver.lost");
    assert_eq!(taken["data"]["digest"]["now"]["accounts"][0]["lost"][0]["room"]["name"], "新品");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("message.json");
    let script = format!("cat > {}; env > {}.env", file.display(), file.display());
    let text = format!(
        "[[notify]]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\nlang = \"en\"\n"
    );
    let variables = [
        ("PATH", "/usr/bin:/bin".to_owned()),
        ("WECHAT_SECRET", crate::canaries::APP_SECRET.to_owned()),
    ];
    let desktop = Desktop::new(&text, &variables).await;
    desktop.night(|at| lost(&[(7, "新品")], at)).await;
    let message: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let text = message["data"]["text"].as_str().unwrap();
    assert!(text.contains("Lost for good: 1 replay of 1 room (7 “新品”)"), "{text}");
    let environment = std::fs::read_to_string(folder.path().join("message.json.env")).unwrap();
    assert!(!environment.contains("canary"), "{environment}");
}

#[tokio::test]
async fn a_command_that_fails_or_hangs_is_reported_and_tried_the_next_night() {
    let text =
        "[[notify]]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"echo no >&2; exit 3\"]\n";
    let desktop = Desktop::new(text, &[("PATH", "/usr/bin:/bin".to_owned())]).await;
    let failed = notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await;
    let error = failed.unwrap_err().to_string();
    assert!(error.contains("exit status: 3") && error.contains("no"), "{error}");
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    let name = &desktop.alerts.channels[0].name;
    assert_eq!(desktop.ledger.waiting_notices(name).await.unwrap().len(), 1);
}
