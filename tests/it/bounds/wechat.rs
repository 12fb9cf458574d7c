//! What WeChat answers.

use std::time::Duration;

use super::door::{Door, Reply};
use super::trial::{Bound, PROMISED, Trial};
use crate::cli::program::ROOMS;

const LIVE_INFO: &str = "/getliveinfo";

/// Answers every live call so.
fn always(wechat: &Door, reply: Reply) {
    wechat.answer(move |request| request.is("POST", LIVE_INFO).then(|| reply.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nothing_disturbs_is_within_what_is_promised() {
    let trial = Trial::start(ROOMS).await;
    let cost = trial.run(&["run"]).await;
    let cost = cost.within("undisturbed", Bound { code: 0, seconds: 120, mib: PROMISED });
    assert_eq!(cost.out, "");
    for door in [&trial.wechat, &trial.media, &trial.store] {
        assert!(!door.requests().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_without_end_are_read_up_to_a_limit() {
    let trial = Trial::start(ROOMS).await;
    let rooms = "{\"roomid\":0},".repeat(1000);
    let endless = |status| Reply::endless(status, "{\"room_info\":[", rooms.clone());
    for (row, reply) in [
        ("rooms without end", endless(200)),
        ("an error without end", endless(500)),
        ("an error of 7 MiB", Reply::full(500, vec![b'['; 7 << 20])),
    ] {
        always(&trial.wechat, reply);
        let cost = trial.run(&["run"]).await;
        let cost = cost.within(row, Bound { code: 1, seconds: 60, mib: PROMISED });
        assert!(cost.err.contains("the room list"), "{row}: {}", cost.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_a_byte_at_a_time_is_given_up() {
    let trial = Trial::start(ROOMS).await;
    trial.reconfigure(|text| text.replace("[wechat]\n", "[wechat]\ntimeout = \"2s\"\n"));
    always(&trial.wechat, Reply::slow(200, "{}".repeat(1 << 20), 1, Duration::from_millis(500)));
    let cost = trial.run(&["run"]).await;
    cost.within("a slow reply", Bound { code: 1, seconds: 60, mib: PROMISED });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_a_reply_obeys_a_signal() {
    let trial = Trial::start(ROOMS).await;
    always(&trial.wechat, Reply::silence());
    let running = trial.begin(&["run"]);
    trial.wechat.is_asked(LIVE_INFO).await;
    running.signal("TERM").await;
    let cost = running.ended().await;
    cost.within("a silent reply, SIGTERM", Bound { code: 130, seconds: 60, mib: PROMISED });
}
