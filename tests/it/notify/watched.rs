//! What watches the nightly run: pings, and the file of metrics.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use replay_archiver::clock::{self, Clock};
use replay_archiver::config::{Address, Lang, Monitor};
use replay_archiver::model::Outcome;
use replay_archiver::notify;
use replay_archiver::notify::ping::{End, Pings};

use super::receiver::{Receiver, Vendor};
use crate::canaries::API_KEY;
use crate::cli::program::{Place, ROOMS, Ran, ended};
use crate::net::{Reply, Server};

struct Watched {
    place: Place,
    monitor: Server,
}

impl Watched {
    async fn start(scenario: &str, monitor: impl Fn() -> Reply + Send + Sync + 'static) -> Self {
        let monitor = Arc::new(monitor);
        let monitor = Server::start(move |_| monitor()).await;
        let place = Place::start(scenario).await;
        let watched = Self { place, monitor };
        let section = format!(
            "[monitor]\nhealthchecks_url_env = \"HC\"\nuptime_kuma_url_env = \"KUMA\"\ntextfile = \"{}\"\n",
            watched.metrics().display()
        );
        watched.place.configure(&format!("{}{section}", watched.place.configuration()));
        watched
    }

    fn metrics(&self) -> PathBuf {
        self.place.folder.path().join("replay_archiver.prom")
    }

    fn configured(&self) -> String {
        std::fs::read_to_string(self.place.folder.path().join("pipeline.toml")).unwrap()
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.place.command(arguments);
        let url = |path: &str| format!("http://{}/{path}{API_KEY}", self.monitor.addr);
        command.env("HC", url("ping/")).env("KUMA", url("push/"));
        ended(command.spawn().unwrap()).await
    }

    /// What was asked since `before`, without the key.
    fn asked(&self, before: usize) -> Vec<String> {
        let requests = self.monitor.requests().split_off(before);
        let path = |target: &str| target.split('?').next().unwrap_or_default().replace(API_KEY, "");
        requests.iter().map(|request| path(&request.target)).collect()
    }

    fn value(&self, series: &str) -> f64 {
        let text = std::fs::read_to_string(self.metrics()).unwrap();
        let begin = format!("replay_archiver_{series} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&begin));
        found.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
    }
}

const GONE: &str = "[[account.room]]\nid = 11\nstart = \"-7d\"\n[[account.room.replay]]\n\
    [[fault]]\non = \"vod\"\nroom = 11\ntimes = \"always\"\nthen = { status = { code = 404 } }\n";

#[tokio::test]
async fn a_good_run_and_a_bad_one_are_pinged_as_such_with_the_log() {
    let watched = Watched::start(ROOMS, || {
        Reply::full(200, "{\"ok\":true}").header("Ping-Body-Limit", "120")
    })
    .await;
    assert_eq!(watched.run(&["run"]).await.code, 0);
    assert_eq!(watched.asked(0), ["/ping//start", "/ping/", "/push/"]);
    let requests = watched.monitor.requests();
    let rid = |at: usize| requests[at].query("rid").unwrap();
    assert_eq!((rid(0), requests[2].query("status").unwrap()), (rid(1), "up".to_owned()));
    assert!(requests[1].body.len() <= 120 && requests[1].says("everything is archived"));

    watched.place.configure(
        &std::fs::read_to_string(watched.place.folder.path().join("pipeline.toml"))
            .unwrap()
            .replace("bucket = \"replays\"", "bucket = \"nowhere\""),
    );
    let ran = watched.run(&["run"]).await;
    assert_eq!(watched.asked(3)[1..], [format!("/ping//{}", ran.code), "/push/".to_owned()]);
    assert_eq!(watched.monitor.requests()[5].query("status").unwrap(), "down");
    assert!(watched.monitor.requests()[4].says("the run failed"));
}

#[tokio::test]
async fn a_configuration_with_a_typing_error_is_told_as_a_failed_run() {
    let watched = Watched::start(ROOMS, || Reply::full(200, "{\"ok\":true}")).await;
    assert_eq!(watched.run(&["run"]).await.code, 0);
    let (good, receiver) = (watched.configured(), Receiver::start(Vendor::Wecom).await);
    let robot = watched.place.folder.path().join("robot");
    std::fs::write(&robot, receiver.url()).unwrap();
    let good = format!("{good}[[notify]]\nkind = \"wecom\"\nurl_file = \"{}\"\n", robot.display());
    let success = "account_last_success_timestamp_seconds{appid=\"wx1\"}";
    let last_success = watched.value(success);
    for (number, wrong) in [
        good.replace("bucket =", "buckt ="),
        format!("{good}[quota]\nreserve = \"abc\"\n"),
        format!("{good}[[notify]]\nkind = \"wechat\"\n"),
        format!("{good}on = [\"lots\"]\n"),
        format!("{good}accounts = [\"wx9\"]\n"),
        good.replace("[[account]]", "[[acount]]"),
        good.replace("appid = \"wx1\"", "appid = 5"),
        good.replace("appid = \"wx1\"", "appid = \"wx 1\""),
        good.replace("url_env = \"HC\"", "url_env = \"UNSET\""),
    ]
    .into_iter()
    .enumerate()
    {
        watched.place.configure(&wrong);
        let before = watched.monitor.requests().len();
        assert_eq!(watched.run(&["run"]).await.code, 2, "{wrong}");
        let pinged = match wrong.contains("UNSET") {
            true => vec!["/push/"],
            false => vec!["/ping//start", "/ping//2", "/push/"],
        };
        assert_eq!(watched.asked(before), pinged, "{wrong}");
        assert_eq!(receiver.texts().len(), number + 1, "{wrong}");
        assert!(receiver.texts()[number].contains("运行失败"), "{:?}", receiver.texts());
        assert_eq!(watched.value("run_outcome{outcome=\"failed\"}"), 1.0, "{wrong}");
        assert_eq!(watched.value(success), last_success, "{wrong}");
    }
}

#[tokio::test]
async fn a_monitor_that_hangs_keeps_no_other_from_hearing_of_it() {
    let server = Server::start(|request| match request.target.starts_with("/push") {
        true => Reply::full(200, "{\"ok\":true}"),
        false => Reply::silence(),
    })
    .await;
    let url =
        |path: &str| Some(Address::new(format!("http://{}/{path}", server.addr).parse().unwrap()));
    let monitor = Monitor { healthchecks: url("ping"), uptime_kuma: url("push"), textfile: None };
    let (clock, limit) = (Clock::system(), Duration::from_millis(600));
    let message = notify::message(Lang::En, &super::of_one(Outcome::Ok, clock.now()), clock.now());
    let pings = Pings::new(&monitor, &clock);
    let _ = clock::within(limit, pings.end(End::Well, &message, limit)).await;
    assert!(server.requests().iter().any(|request| request.target.starts_with("/push")));
}

#[tokio::test]
async fn a_check_that_is_gone_is_not_taken_for_a_channel() {
    let server = Server::start(|_| Reply::full(410, "gone")).await;
    let address = Address::new(format!("http://{}/ping", server.addr).parse().unwrap());
    let post = notify::Post::new(Clock::system()).unwrap();
    let url = address.expose().clone();
    let pinged = post.ping(&address, url.clone(), String::new()).await.map(drop).unwrap_err();
    let pushed = post.get(&address, url).await.map(drop).unwrap_err();
    for error in [pinged, pushed] {
        let text = error.to_string();
        assert!(text.contains("[monitor]") && !text.contains("[[notify]]"), "{text}");
    }
}

#[tokio::test]
async fn the_metrics_are_readable_whatever_the_umask_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replay_archiver.prom");
    let place = Place::start(ROOMS).await;
    let section = format!("[monitor]\ntextfile = \"{}\"\n", file.display());
    place.configure(&format!("{}{section}", place.configuration()));
    let plain = place.command(&["run"]);
    let mut strict = tokio::process::Command::new("sh");
    strict.args(["-c", "umask 077; exec \"$0\" \"$@\""]);
    strict.arg(plain.as_std().get_program()).args(plain.as_std().get_args());
    strict.current_dir(place.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in plain.as_std().get_envs() {
        strict.env(name, value.unwrap_or_default());
    }
    assert_eq!(ended(strict.spawn().unwrap()).await.code, 0);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "{mode:o}");
}

#[tokio::test]
async fn only_run_pings_and_a_monitor_that_is_down_changes_nothing() {
    let watched = Watched::start(ROOMS, || Reply::full(500, "no")).await;
    let ran = watched.run(&["run"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    let asked = watched.asked(0).len();
    for other in [&["verify"][..], &["backfill", "--room", "1"], &["run", "--dry-run"]] {
        watched.run(other).await;
    }
    assert_eq!(watched.asked(0).len(), asked);
}

#[tokio::test]
async fn the_metrics_say_how_the_last_run_ended_and_what_is_ahead() {
    let scenario = format!("{ROOMS}{GONE}");
    let watched = Watched::start(&scenario, || Reply::full(200, "OK")).await;
    watched.run(&["run"]).await;
    assert_eq!(watched.value("run_running"), 0.0);
    assert_eq!(watched.value("run_outcome{outcome=\"left\"}"), 1.0);
    assert_eq!(watched.value("run_last_success_timestamp_seconds"), 0.0);
    assert_eq!(watched.value("account_rooms_left{appid=\"wx1\"}"), 1.0);
    assert!(watched.value("account_next_deadline_timestamp_seconds{appid=\"wx1\"}") > 1e9);
    assert!(watched.value("account_api_calls_left{appid=\"wx1\"}") > 100.0);
    assert!(watched.value("run_transferred_bytes") > 0.0);
    watched.place.sandbox.update(|scenario| scenario.faults.clear());
    watched.run(&["backfill", "--room", "11"]).await;
    watched.run(&["run"]).await;
    assert_eq!(watched.value("run_outcome{outcome=\"ok\"}"), 1.0);
    let success = watched.value("run_last_success_timestamp_seconds");
    assert!(success > 1e9);
    std::fs::write(watched.place.folder.path().join("ledger.sqlite"), "no database").unwrap();
    watched.run(&["run"]).await;
    assert_eq!(watched.value("run_outcome{outcome=\"failed\"}"), 1.0);
    assert_eq!(watched.value("run_last_success_timestamp_seconds"), success);
}
