//! The program itself: `run`, `backfill` and `verify` tell how they ended, whatever ends them.

use super::receiver::{Mood, Receiver, Vendor};
use crate::canaries::API_KEY;
use crate::cli::program::{Place, ROOMS, Ran, ended};

/// A room that WeChat seems to have lost.
const GONE: &str = "[[account.room]]\nid = 11\nname = \"<@all>[抽奖](http://evil/)\"\nstart = \"-7d\"\n\
    [[account.room.replay]]\n[[fault]]\non = \"vod\"\nroom = 11\ntimes = \"always\"\n\
    then = { status = { code = 404 } }\n";

struct Told {
    place: Place,
    receiver: Receiver,
}

impl Told {
    async fn start(scenario: &str, more: &str) -> Self {
        let place = Place::start(scenario).await;
        let receiver = Receiver::start(Vendor::Wecom).await;
        let channel = "[[notify]]\nkind = \"wecom\"\nurl_env = \"URL\"\n";
        place.configure(&format!("{}{channel}{more}\n", place.configuration()));
        Self { place, receiver }
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.place.command(arguments);
        command.env("URL", self.receiver.url());
        let ran = ended(command.spawn().unwrap()).await;
        crate::canaries::check_folder(self.place.folder.path(), &["pipeline.toml", "objects"]);
        ran
    }
}

#[tokio::test]
async fn a_run_is_silent_while_all_is_well_and_says_once_what_is_left() {
    let told = Told::start(&format!("{ROOMS}{GONE}"), "").await;
    let ran = told.run(&["run"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    let text = told.receiver.one_since(0);
    assert!(
        text.contains("部分回放归档失败") && text.contains("11 号「＜＠all＞[抽奖］"),
        "{text}"
    );
    assert!(text.contains("今日接口调用：已用"), "{text}");
    told.place.sandbox.update(|scenario| scenario.faults.clear());
    let again = told.run(&["backfill", "--room", "11"]).await;
    assert_eq!((again.code, told.receiver.taken().len()), (0, 1), "{again:?}");
    let ran = told.run(&["run"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(told.receiver.one_since(1).contains("已恢复正常"));
    told.run(&["run"]).await;
    assert_eq!(told.receiver.taken().len(), 2);
}

#[tokio::test]
async fn outcomes_that_count_as_success_are_in_the_configuration_and_the_flag_overrides_it() {
    let told = Told::start(GONE, "[run]\nsuccess = [\"ok\", \"left\"]").await;
    assert_eq!(told.run(&["run"]).await.code, 0);
    assert_eq!(told.run(&["run", "--success", "ok"]).await.code, 3);
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_told_too() {
    let told = Told::start(ROOMS, "").await;
    let text = std::fs::read_to_string(told.place.folder.path().join("pipeline.toml")).unwrap();
    told.place.configure(&text.replace("APP_SECRET", "NOT_SET"));
    let ran = told.run(&["run"]).await;
    assert_eq!(ran.code, 2, "{ran:?}");
    let failed = told.receiver.one_since(0);
    assert!(failed.contains("运行失败") && failed.contains("NOT_SET"), "{failed}");
    assert!(failed.contains("[RA102]"), "{failed}");
}

#[tokio::test]
async fn whose_account_cannot_be_read_hears_of_it_and_of_no_other_file() {
    let told = Told::start(ROOMS, "accounts = [\"wx2\"]").await;
    let folder = told.place.folder.path().join("accounts.d");
    std::fs::create_dir(&folder).unwrap();
    let configuration =
        std::fs::read_to_string(told.place.folder.path().join("pipeline.toml")).unwrap();
    told.place.configure(&format!("[accounts]\nfolder = \"accounts.d\"\n{configuration}"));
    let broken = |appid: &str| format!("[[account]]\nappid = {appid}\n");
    std::fs::write(folder.join("c.toml"), broken("wx4")).unwrap();
    let ran = told.run(&["run"]).await;
    assert_eq!((ran.code, told.receiver.taken().len()), (3, 0), "{ran:?}");
    let own = broken("wx2") + "[[account]]\nappid = \"wx3\"\n";
    std::fs::write(folder.join("a.toml"), own).unwrap();
    assert_eq!(told.run(&["run"]).await.code, 3);
    let text = told.receiver.one_since(0);
    assert!(text.contains("部分回放归档失败") && text.contains("a.toml, line 2"), "{text}");
    assert!(!text.contains("c.toml") && !text.contains("wx3"), "{text}");
}

#[tokio::test]
async fn a_channel_that_gets_nothing_more_is_named_as_such() {
    let told = Told::start(&format!("{ROOMS}{GONE}"), "").await;
    told.receiver.is(Mood::Fails(410));
    told.run(&["run"]).await;
    let shown = told.run(&["notify", "--dry-run"]).await;
    assert!(shown.out.contains("nothing: its receiver answered"), "{shown:?}");
    let checked = told.run(&["doctor"]).await;
    assert!(checked.out.contains("warn  wecom URL: its receiver answered"), "{checked:?}");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told_every_night_and_its_return_once() {
    let told = Told::start(ROOMS, "").await;
    let text = std::fs::read_to_string(told.place.folder.path().join("pipeline.toml")).unwrap();
    told.place.configure(&text.replace("bucket = \"replays\"", "bucket = \"nowhere\""));
    for night in 0..2 {
        let ran = told.run(&["run"]).await;
        assert_ne!(ran.code, 0, "{ran:?}");
        assert!(told.receiver.one_since(night).contains("运行失败"));
    }
    told.place.configure(&text);
    let ran = told.run(&["run"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(told.receiver.one_since(2).contains("已恢复正常"));
}

#[tokio::test]
async fn a_ledger_that_cannot_be_opened_is_told_once_a_run() {
    let told = Told::start(ROOMS, "").await;
    std::fs::write(told.place.folder.path().join("ledger.sqlite"), "this is no database").unwrap();
    let ran = told.run(&["run"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(told.receiver.one_since(0).contains("运行失败"));
}

#[tokio::test]
async fn a_receiver_that_fails_fails_no_run_and_hears_of_it_the_next_night() {
    let told = Told::start(&format!("{ROOMS}{GONE}"), "").await;
    told.receiver.is(Mood::Refuses);
    let ran = told.run(&["run"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("failed to notify wecom URL"), "{ran:?}");
    let shown = told.run(&["notify", "--dry-run"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert!(shown.out.contains("wecom URL:") && shown.out.contains("此前未能送达"), "{shown:?}");
    told.receiver.is(Mood::Takes);
    told.run(&["run"]).await;
    let text = told.receiver.one_since(0);
    assert!(text.contains("此前未能送达的消息"), "{text}");
}

#[tokio::test]
async fn verify_tells_of_what_does_not_match() {
    let told = Told::start(ROOMS, "").await;
    assert_eq!(told.run(&["run"]).await.code, 0);
    assert_eq!((told.run(&["verify"]).await.code, told.receiver.taken().len()), (0, 0));
    let rooms = told.place.objects().join("live/wx1/rooms/1/segments");
    let segment = std::fs::read_dir(&rooms).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::remove_file(&segment).unwrap();
    assert_eq!(told.run(&["verify"]).await.code, 5);
    let text = told.receiver.one_since(0);
    assert!(
        text.contains("存储桶里的文件与清单不一致") && text.contains("1 个文件缺失或损坏"),
        "{text}"
    );
    assert!(
        text.contains("1 个直播间（1 号") && text.contains("backfill --room 1 --force"),
        "{text}"
    );
    std::fs::write(&segment, bytes).unwrap();
    assert_eq!(told.run(&["verify", "--room", "1"]).await.code, 0);
    assert_eq!(told.receiver.taken().len(), 1, "a look at one room says nothing of the others");
    assert_eq!(told.run(&["verify"]).await.code, 0);
    assert!(told.receiver.one_since(1).contains("直播回放核验：已恢复正常"));
}

#[tokio::test]
async fn notify_tries_each_channel_and_shows_no_address() {
    let told = Told::start("", "[[notify]]\nkind = \"command\"\ncommand = [\"false\"]").await;
    let ran = told.run(&["notify", "--test"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("ok    wecom URL: a test message was sent"), "{ran:?}");
    assert!(ran.out.contains("FAIL  command false: "), "{ran:?}");
    let shown = told.run(&["config", "show"]).await;
    assert!(shown.out.contains("url_env = \"URL\"") && !shown.out.contains(API_KEY), "{shown:?}");
    let nothing = told.run(&["notify", "--dry-run", "--json"]).await;
    assert_eq!(nothing.lines()[0]["text"], serde_json::Value::Null);
    told.place.configure(&told.place.configuration());
    let none = told.run(&["notify", "--test"]).await;
    assert!(none.code == 1 && none.err.contains("no channel is configured"), "{none:?}");
}

/// A room whose first recording WeChat has deleted.
const LOST: &str = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
    expire = \"-1h\"\n[[account.room.replay]]\n";

#[tokio::test]
async fn a_loss_is_told_once_and_counted_until_somebody_acknowledges_it() {
    let told = Told::start(LOST, "on = [\"lost\", \"ok\"]").await;
    assert_eq!(told.run(&["run"]).await.code, 4);
    let text = told.receiver.one_since(0);
    assert!(text.contains("已永久丢失") && !text.contains("此前已丢失"), "{text}");
    assert_eq!(told.run(&["run"]).await.code, 0);
    let text = told.receiver.one_since(1);
    assert!(text.contains("此前已丢失的 1 个回放"), "{text}");
    let ack = ["ack", "--room", "1", "--by", "Li Lei", "--because", "a test"];
    assert_eq!(told.run(&ack).await.code, 0);
    told.run(&["run"]).await;
    let text = told.receiver.one_since(2);
    assert!(!text.contains("此前已丢失"), "{text}");
}

#[tokio::test]
async fn an_account_that_nobody_archives_is_told_of_once_until_it_is_archived_again() {
    let told = Told::start(ROOMS, "").await;
    let none = told.run(&["status", "--stale", "36h"]).await;
    assert!(none.code == 1 && none.err.contains("there is no ledger"), "{none:?}");
    assert_eq!(told.run(&["run", "--list-only"]).await.code, 0);
    told.receiver.is(Mood::Refuses);
    assert_eq!(told.run(&["status", "--stale", "36h"]).await.code, 3);
    told.receiver.is(Mood::Takes);
    let listed = told.run(&["status", "--stale", "36h"]).await;
    assert!(listed.code == 3 && listed.out.contains("never"), "a look at the list: {listed:?}");
    told.run(&["backfill", "--room", "1"]).await;
    assert_eq!(told.run(&["status", "--stale", "36h"]).await.code, 3, "one room is not all");
    assert_eq!(told.receiver.taken().len(), 1);
    assert_eq!(told.run(&["run"]).await.code, 0);
    assert_eq!(told.run(&["status", "--stale", "36h"]).await.code, 0);
    let before = told.receiver.taken().len();
    for _ in 0..3 {
        let ran = told.run(&["status", "--stale", "1ms"]).await;
        assert!(
            ran.code == 3 && ran.out.contains("account wx1: last archived by a run: 20"),
            "{ran:?}"
        );
    }
    let text = told.receiver.one_since(before);
    assert!(text.contains("有账号长时间没有归档") && text.contains("账号 wx1"), "{text}");
    assert_eq!(told.run(&["status", "--stale", "36h"]).await.code, 0);
    assert_eq!(told.run(&["status", "--stale", "1ms", "--json"]).await.lines()[0]["appid"], "wx1");
    assert_eq!(told.receiver.taken().len(), before + 2);
}

#[tokio::test]
async fn an_account_that_is_not_authorised_is_told_every_night_with_the_rooms_at_stake() {
    let refused = "[[fault]]\non = \"api\"\ncall = \"replays\"\ntimes = \"always\"\n\
        then = { errcode = { code = 61003, message = \"not authorised\" } }\n";
    let told = Told::start(&format!("{ROOMS}{refused}"), "lang = \"zh\"").await;
    for night in 0..2 {
        assert_eq!(told.run(&["run"]).await.code, 3, "it has not failed");
        let stale = told.run(&["status", "--stale", "1ms"]).await;
        let says = "account wx1: paused since 20";
        assert!(stale.code == 0 && stale.out.contains(says), "{stale:?}");
        assert!(!stale.out.contains("last archived"), "{stale:?}");
        let text = told.receiver.one_since(night);
        assert!(text.contains("微信未授权该账号调用直播接口") && text.contains("61003"), "{text}");
        assert!(text.contains("面临删除：2 个直播间的回放（1 号"), "{text}");
    }
    told.place.sandbox.update(|scenario| scenario.faults.clear());
    assert_eq!(told.run(&["run"]).await.code, 0);
    assert!(told.receiver.one_since(2).contains("已恢复正常"));
}
