//! A playlist that is answered from elsewhere: what it names lies beside where it was found.

use super::shelf::{Answer, Broadcast, chunk, media, stored, whole};
use crate::bucket::text;

fn chunks(numbers: &[usize]) -> Vec<Vec<u8>> {
    numbers.iter().map(|number| chunk(*number)).collect()
}

#[tokio::test]
async fn what_a_playlist_names_lies_beside_the_url_that_answered() {
    for to in ["/new/p.m3u8", "../new/p.m3u8?sign=1"] {
        let room = Broadcast::at("/old/p.m3u8").await;
        room.shelf.redirect("/old/p.m3u8", to);
        room.shelf.broadcast("/new/p.m3u8", &chunks(&[0, 1]));
        room.shelf.broadcast("/new/p.m3u8?sign=1", &chunks(&[0, 1]));
        // Another broadcast, whose chunks are named alike.
        room.shelf.broadcast("/old/other.m3u8", &chunks(&[3, 4]));
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night) == chunks(&[0, 1]), "{to}: other bytes are stored");
        assert!(!room.asked().iter().any(|path| path.starts_with("/old/") && path.contains("ts")));
    }
}

#[tokio::test]
async fn maps_and_stretches_of_files_lie_there_as_well() {
    let room = Broadcast::at("/old/p.m3u8").await;
    room.shelf.redirect("/old/p.m3u8", "/new/p.m3u8");
    let lines = "#EXT-X-MAP:URI=\"init.ts\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:63732@0\nall.ts\n";
    room.shelf.bytes("/new/p.m3u8", media(lines));
    room.shelf.bytes("/new/init.ts", chunk(2));
    room.shelf.bytes("/new/all.ts", [chunk(0), chunk(1)].concat());
    let night = room.night().await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == chunks(&[2, 0]));
}

#[tokio::test]
async fn a_variant_lies_beside_its_master_and_its_chunks_beside_the_variant() {
    let room = Broadcast::at("/a/master.m3u8").await;
    room.shelf.redirect("/a/master.m3u8", "/b/master.m3u8");
    room.shelf.bytes("/b/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nhigh/p.m3u8\n");
    room.shelf.redirect("/b/high/p.m3u8", "/c/p.m3u8");
    room.shelf.broadcast("/c/p.m3u8", &chunks(&[0, 1]));
    let night = room.night().await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == chunks(&[0, 1]));
    let asked = room.asked();
    assert_eq!(asked[..3], ["/a/master.m3u8", "/b/master.m3u8", "/b/high/p.m3u8"]);
    assert!(asked[3..].iter().all(|path| path.starts_with("/c/")), "{asked:?}");
}

#[tokio::test]
async fn a_redirect_that_is_another_each_day_makes_no_other_broadcast() {
    let room = Broadcast::at("/a/p.m3u8").await;
    for day in ["/1f0a/a/p.m3u8?sign=1", "/2e9b/a/p.m3u8?sign=2"] {
        room.shelf.broadcast(day, &chunks(&[0, 1, 2]));
    }
    room.shelf.put("/1f0a/a/1.ts", Answer::Status(404));
    room.shelf.put("/2e9b/a/1.ts", Answer::Status(404));
    room.shelf.redirect("/a/p.m3u8", "/1f0a/a/p.m3u8?sign=1");
    let first = room.night().await;
    first.says(1, "partial", &[]);
    let missing = &whole(&first)["missing"][0];
    assert_eq!((text(&missing["name"]), text(&missing["path"])), ("chunk-000001.ts", "/a/1.ts"));

    room.shelf.redirect("/a/p.m3u8", "/2e9b/a/p.m3u8?sign=2");
    let (asked, second) = (room.asked().len(), room.night().await);
    assert_eq!(second.bucket.manifest(1), first.bucket.manifest(1), "nothing new is said");
    let again = room.asked().split_off(asked);
    assert_eq!(again, ["/a/p.m3u8", "/2e9b/a/p.m3u8?sign=2", "/2e9b/a/1.ts"]);
    room.shelf.bytes("/2e9b/a/1.ts", chunk(1));
    let last = room.night().await;
    last.says(1, "complete", &[]);
    assert!(stored(&last) == chunks(&[0, 1, 2]));
    let manifest = last.bucket.manifest(1).to_string();
    assert!(!manifest.contains("1f0a") && !manifest.contains("2e9b"), "{manifest}");
}

#[tokio::test]
async fn a_redirect_opens_no_way_to_a_host_that_is_not_allowed() {
    let elsewhere = Broadcast::at("/x/p.m3u8").await;
    elsewhere.shelf.broadcast("/x/p.m3u8", &chunks(&[0]));
    let room = Broadcast::at("/a/p.m3u8").await;
    let (host, own) = (elsewhere.host.authority(), room.host.authority());
    room.shelf.redirect("/a/p.m3u8", &format!("http://{host}/x/p.m3u8"));
    let night = room.night().await;
    night.says(1, "partial", &[]);
    assert!(text(&whole(&night)["reason"]).contains("is not allowed"), "{}", whole(&night));

    // The playlist is allowed; what it names elsewhere is not.
    room.shelf.redirect("/a/p.m3u8", "/b/p.m3u8");
    let lines = format!("#EXTINF:2,\nhttp://{own}/x/0.ts\n#EXTINF:2,\n//{host}/x/0.ts\n");
    room.shelf.bytes("/b/p.m3u8", media(&lines));
    room.shelf.bytes("/x/0.ts", chunk(0));
    let night = room.night().await;
    let missing = whole(&night)["missing"].clone();
    assert_eq!(missing.as_array().unwrap().len(), 1, "{}", whole(&night));
    assert_eq!(text(&missing[0]["host"]), host);
    assert!(elsewhere.host.requests().is_empty());
}
