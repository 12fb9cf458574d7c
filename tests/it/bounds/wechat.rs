//! What WeChat answers.

use std::time::Duration;

use super::trial::{Bound, PROMISED, Trial};
use crate::cli::program::ROOMS;
use crate::net::{Reply, Server};

const LIVE_INFO: &str = "/getliveinfo";

/// Answers every live call so.
fn always(wechat: &Server, reply: Reply) {
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

/// A page of so many items.
fn page(list: &str, item: &str, count: usize) -> String {
    let items = vec![item; count].join(",");
    format!("{{\"errcode\":0,\"total\":{count},\"{list}\":[{items}]}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_more_than_any_page_has_is_refused_before_it_is_taken_apart() {
    let trial = Trial::start(ROOMS).await;
    let rooms = |item: &str, count| page("room_info", item, count);
    let room = |more: &str| format!("{{\"roomid\":1,\"live_status\":103,{more}}}");
    let goods = room(&format!("\"goods\":[{{}}{}]", ",{}".repeat(245_000)));
    let lists = room(&format!("\"more\":[[]{}]", ",[]".repeat(120_000)));
    let named = room(&format!("\"name\":\"{}\"", "n".repeat(8000)));
    for (row, code, body) in [
        ("a page of 3 MB with 245,000 rooms", 1, rooms("{\"roomid\":1}", 245_000)),
        ("a page of 245,000 objects without a word", 1, rooms("{}", 245_000)),
        ("a page of 20,000 objects", 1, rooms("{\"roomid\":1,\"b\":2,\"c\":3}", 20_000)),
        ("a page of 2 million numbers", 1, rooms("1", 2_000_000)),
        ("a room of 245,000 goods", 1, rooms(&goods, 1)),
        ("a room of 120,000 empty lists", 0, rooms(&lists, 1)),
        ("a page of 900 rooms with 7 MB of names", 0, rooms(&named, 900)),
    ] {
        let reply = Reply::full(200, body);
        trial.wechat.answer(move |request| {
            let is_meant = !request.says("get_replay") && request.is("POST", LIVE_INFO);
            is_meant.then(|| reply.clone())
        });
        let cost = trial.run(&["run"]).await;
        cost.within(row, Bound { code, seconds: 60, mib: PROMISED });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_that_cost_too_much_leave_their_room_to_the_next_run() {
    let trial = Trial::start(ROOMS).await;
    let reply = Reply::full(200, page("live_replay", "{\"media_url\":1}", 245_000));
    trial.wechat.answer(move |request| request.says("get_replay").then(|| reply.clone()));
    let cost = trial.run(&["run"]).await;
    cost.within("245,000 replays", Bound { code: 3, seconds: 60, mib: PROMISED });
}
