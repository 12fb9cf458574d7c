//! `rehearse`: the alarms of a bad night, seen before they are needed.

use serde_json::Value;

use super::receiver::{Receiver, Vendor};
use crate::cli::program::{Place, ROOMS, Ran, ended};

/// A configuration with a channel and monitors, whose rooms are in the ledger.
struct Hall {
    place: Place,
    receiver: Receiver,
}

impl Hall {
    async fn open() -> Self {
        let place = Place::start(ROOMS).await;
        place.good(&["run", "--list-only"]).await;
        let receiver = Receiver::start(Vendor::Wecom).await;
        let alarms = "[[notify]]\nkind = \"wecom\"\nurl_file = \"none/robot\"\n\
            [[notify]]\nkind = \"webhook\"\nurl_env = \"NOT_SET\"\nsecret_env = \"NOT_SET_EITHER\"\n\
            on = [\"ok\", \"left\", \"lost\"]\nlang = \"en\"\n\
            [monitor]\nhealthchecks_url_env = \"NOT_SET\"\nuptime_kuma_url_file = \"none/kuma\"\n\
            textfile = \"real.prom\"\n";
        place.configure(&format!("{}{alarms}", place.configuration()));
        Self { place, receiver }
    }

    /// Rehearses without any secret.
    async fn rehearse(&self, arguments: &[&str]) -> Ran {
        let mut command = self.place.command(&[&["rehearse"], arguments].concat());
        command.env_remove("APP_SECRET").env_remove("STORE_SECRET");
        // What the configuration of the real night says must not reach the rehearsal.
        command.env("REPLAY_ARCHIVER_STORE__PREFIX", "elsewhere");
        ended(command.spawn().unwrap()).await
    }
}

/// The objects of one type.
fn of_type<'a>(lines: &'a [Value], name: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == name).collect()
}

#[tokio::test]
async fn each_fault_shows_the_code_the_messages_the_pings_and_the_metrics_of_its_night() {
    let hall = Hall::open().await;
    let before = (hall.place.bucket().objects, hall.place.sandbox.calls().len());
    for (fault, code, outcome, chinese, english) in [
        (None, 0, "ok", None, Some("everything is archived")),
        (Some("bucket-read-only"), 3, "left", Some("部分回放归档失败"), Some("Access")),
        (Some("quota-gone"), 3, "continuing", None, None),
        (Some("token-refused"), 1, "failed", Some("40125"), Some("40125")),
        (Some("recording-deleted"), 4, "lost", Some("丢失"), Some("Lost")),
        (Some("disk-full"), 1, "failed", Some("full"), None),
    ] {
        let mut arguments = vec!["--json"];
        arguments.extend(fault.iter().flat_map(|fault| ["--fault", fault]));
        let ran = hall.rehearse(&arguments).await;
        assert_eq!(ran.code, 0, "{fault:?}: {ran:?}");
        let lines = ran.lines();
        let summary = ran.summary();
        assert_eq!(summary["exit_code"], code, "{fault:?}: {ran:?}");
        assert_eq!(summary["outcome"], outcome, "{fault:?}: {ran:?}");
        let messages = of_type(&lines, "message");
        let channels: Vec<_> = messages.iter().map(|message| &message["channel"]).collect();
        assert_eq!(channels, ["wecom none/robot", "webhook NOT_SET"], "{fault:?}");
        for (message, expected) in messages.iter().zip([chinese, english]) {
            match (message["text"].as_str(), expected) {
                (None, None) => {}
                (Some(text), Some(part)) => assert!(text.contains(part), "{fault:?}: {text}"),
                (text, expected) => panic!("{fault:?}: {text:?} where {expected:?} is expected"),
            }
        }
        let pings: Vec<_> = of_type(&lines, "ping");
        assert_eq!(pings.len(), 2, "{fault:?}: {ran:?}");
        let is_down = pings[1]["ping"] == "status=down";
        assert_eq!(is_down, !["ok", "continuing"].contains(&outcome), "{fault:?}: {ran:?}");
        let metrics = of_type(&lines, "metrics")[0]["text"].as_str().unwrap();
        let told = format!("outcome=\"{outcome}\"}} 1");
        assert!(metrics.contains(&told), "{fault:?}: {metrics}");
    }
    assert!(hall.receiver.taken().is_empty(), "something was sent");
    let after = (hall.place.bucket().objects, hall.place.sandbox.calls().len());
    assert!(before == after, "the real night was touched");
    assert!(!hall.place.folder.path().join("real.prom").exists());
}

#[tokio::test]
async fn accounts_from_a_folder_and_from_the_ledger_are_rehearsed_too() {
    let hall = Hall::open().await;
    let text = hall.place.configuration();
    let (rest, account) = text.split_at(text.find("[[account]]").unwrap());
    let folder = hall.place.folder.path().join("accounts");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("one.toml"), account.replace("wx1", "wx2")).unwrap();
    let accounts = format!("{rest}[accounts]\nfolder = \"{}\"\n", folder.display());
    hall.place.configure(&accounts);
    for (appid, known) in [("wx2", "made up"), ("wx1", "pending in the ledger")] {
        let ran = hall.rehearse(&["--account", appid]).await;
        assert!(ran.code == 0 && ran.out.contains(known), "{appid}: {ran:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
    hall.place.configure(rest);
    std::fs::remove_file(hall.place.folder.path().join("ledger.sqlite")).unwrap();
    let none = hall.rehearse(&[]).await;
    assert!(none.code == 2 && none.err.contains("error: [[account]]: there is none"), "{none:?}");
}

#[tokio::test]
async fn a_rehearsal_plays_the_rooms_that_are_pending_and_says_so_to_a_person() {
    let hall = Hall::open().await;
    let ran = hall.rehearse(&["--fault", "recording-deleted", "--rooms", "1"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "1 account and 1 room (1 of them pending in the ledger)",
        "exit code 4: the outcome is `lost`",
        "message to wecom none/robot:",
        "直播间",
        "ping to healthchecks: `start`, then exit code 4, a failure",
        "metrics in real.prom:",
        "nothing was sent",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let wrong = hall.rehearse(&["--account", "wx9"]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
}
