//! What a media host answers in place of a playlist.

use std::sync::Arc;

use super::trial::{Bound, PROMISED, Trial};
use crate::net::Reply;

/// Eight rooms, each with a whole alone, whose playlist lies behind a path of so many bytes.
async fn eight(path: usize, playlist: Reply) -> Trial {
    let trial = Trial::start("[[account.generate]]\ncount = 8\nnewest = \"-2d\"\n").await;
    let folder = "x".repeat(path);
    let url = format!("http://{}/{folder}/playlist.m3u8", trial.media.addr);
    let listed = format!(
        "{{\"errcode\":0,\"total\":1,\"live_replay\":[{{\"media_url\":\"{url}\",\
         \"create_time\":\"2026-01-01T00:00:00Z\",\"expire_time\":\"2116-01-01T00:00:00Z\"}}]}}"
    );
    trial.wechat.answer(move |request| {
        request.says("get_replay").then(|| Reply::full(200, listed.clone()))
    });
    let playlist = Arc::new(playlist);
    trial.media.answer(move |request| match request.is("GET", ".m3u8") {
        true => Some(Reply::clone(&playlist)),
        false => Some(Reply::full(404, "")),
    });
    trial
}

fn playlist(segments: usize, line: &str) -> String {
    let segments = format!("#EXTINF:5.000,\n{line}\n").repeat(segments);
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:5\n{segments}#EXT-X-ENDLIST\n")
}

fn never(text: String) -> String {
    text + "\n[whole]\narchive = \"never\"\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_playlists_at_once_stay_within_what_is_promised() {
    let long = "a-segment-0.ts?start=0&end=1";
    for (row, code, path, text) in [
        ("eight playlists of 1.9 MB", 0, 10, playlist(45_000, long)),
        ("eight playlists of 45,000 short lines", 0, 10, playlist(45_000, "a")),
        ("eight playlists of 500 segments, a long URL", 0, 15_000, playlist(500, "a")),
        ("eight playlists of 1.5 MB, a long URL", 3, 15_000, playlist(45_000, long)),
        ("eight playlists of 100,000 segments", 3, 10, playlist(100_000, "a")),
        (
            "eight playlists of 4 MB of maps",
            3,
            10,
            "#EXTM3U\n".to_owned() + &"#EXT-X-MAP:URI=a\n".repeat(230_000),
        ),
    ] {
        let trial = eight(path, Reply::full(200, text)).await;
        trial.reconfigure(never);
        let cost = trial.run(&["run"]).await;
        cost.within(row, Bound { code, seconds: 120, mib: PROMISED });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn playlists_without_end_are_read_up_to_a_limit() {
    let endless = Reply::endless(200, "#EXTM3U\n", "#EXTINF:5.000,\na\n".repeat(1000));
    let trial = eight(10, endless).await;
    let cost = trial.run(&["run"]).await;
    cost.within("eight playlists without end", Bound { code: 3, seconds: 240, mib: PROMISED });
    trial.media.answer(|_| Some(Reply::endless(500, "", "no ".repeat(1000))));
    let cost = trial.run(&["backfill", "--all"]).await;
    cost.within(
        "a 500 of a media host without end",
        Bound { code: 3, seconds: 240, mib: PROMISED },
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_of_which_no_chunk_can_be_had_stays_within_what_is_promised() {
    let trial = eight(10, Reply::full(200, playlist(1_500, "a-segment-0.ts"))).await;
    let cost = trial.run(&["run"]).await;
    let bound = Bound { code: 3, seconds: 300, mib: PROMISED };
    cost.within("eight wholes of 1,500 chunks that cannot be had", bound);
}
