//! Segments that end before their last sample, each time they are asked for.

use jiff::SignedDuration;

use super::*;

/// Three days before its deadline, and then in its last day, a segment that a host serves by this script.
async fn nights(script: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> [Night; 2] {
    let host = Server::start(script).await;
    let scenario = format!(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"+3d\"\n\
         media_url = \"http://{}/segment.mp4\"\n",
        host.authority()
    );
    let settings = format!(
        "[media]\nallow_hosts = [\"{}\"]\nread_timeout = \"4s\"\n[transfer]\npart_size = \"5MiB\"\n",
        host.authority()
    );
    let world = World::with_settings(&scenario, &settings).await;
    let first = world.night(&Selection::Due, |_| {}).await;
    world.advance(SignedDuration::from_hours(60));
    [first, world.night(&Selection::Due, |_| {}).await]
}

/// The segment is failed as long as there is hope, and then archived as far as it comes.
fn assert_kept([first, last]: &[Night; 2], file: &[u8], end: usize) {
    first.says(1, "partial", &["failed"]);
    assert_eq!(first.exit, 3);
    let segment = segment(last);
    assert!(stored(last) == file[..end], "all that came, and no more");
    let damage = segment["damage"].as_array().unwrap();
    assert_eq!((damage.len(), &damage[0]["seen"]), (1, &2.into()), "{damage:?}");
    assert_eq!(damage[0]["offset"], end, "{damage:?}");
    assert!(!is_evident(&segment), "not every sample is there: {segment}");
    let is_whole = segment["evidence"].as_array().unwrap().contains(&"mp4-structure".into());
    assert!(!is_whole, "{segment}");
}

/// The answer of a host that has the beginning of a segment alone, and says that it has all of it.
fn up_to(request: &Request, file: &[u8], end: usize) -> Reply {
    let Some(range) = request.range() else { return Reply::new(200).cut_body(file, end) };
    let last = range.end.min(file.len());
    let told = format!("bytes {}-{}/{}", range.start, last - 1, file.len());
    let reply = Reply::new(206).header("Content-Range", &told).header("ETag", "\"segment\"");
    let sent = end.saturating_sub(range.start).min(last - range.start);
    reply.cut_body(&file[range.start..last], sent)
}

#[tokio::test]
async fn a_host_that_always_breaks_off_at_one_byte_is_believed_in_the_last_day() {
    let at_end = padded(AT_END, LARGE);
    for (file, end) in [
        (FASTSTART.to_vec(), FASTSTART.len() - 3000),
        (padded(FASTSTART, LARGE), FASTSTART.len() - 3000),
        (at_end.clone(), 3000),
        (at_end, (5 << 20) + 77),
    ] {
        let served = file.clone();
        let nights = nights(move |request| up_to(request, &served, end)).await;
        assert_kept(&nights, &file, end);
    }
}

#[tokio::test]
async fn so_is_one_that_serves_no_ranges() {
    let file = padded(FASTSTART, LARGE);
    let (served, end) = (file.clone(), FASTSTART.len() - 3000);
    let nights = nights(move |_| Reply::new(200).cut_body(&served, end)).await;
    assert_kept(&nights, &file, end);
}

#[tokio::test]
async fn a_segment_that_is_cut_at_its_host_is_archived_in_the_last_day_as_it_is() {
    for (file, end) in [
        (FASTSTART.to_vec(), FASTSTART.len() - 3000),
        (AT_END.to_vec(), 3000),
        (padded(&padded(AT_END, LARGE), LARGE), LARGE + 3000),
    ] {
        let served = file[..end].to_vec();
        let nights = nights(move |request| answer(request, &served)).await;
        assert_kept(&nights, &file, end);
    }
}

#[tokio::test]
async fn how_much_of_a_segment_is_missing_is_told_where_its_tables_came() {
    let file = FASTSTART[..FASTSTART.len() - 3000].to_vec();
    let [_, last] = nights(move |request| answer(request, &file)).await;
    let damage = segment(&last)["damage"][0].clone();
    assert_eq!(damage["length"], 3000, "{damage}");
    assert!(damage["at_ms"].as_u64().is_some_and(|at| at > 0 && at < 1000), "{damage}");
    assert!(damage["duration_ms"].as_u64().is_some_and(|lost| lost > 0), "{damage}");
}

#[tokio::test]
async fn what_is_no_segment_is_not_archived_in_the_last_day_either() {
    let page = b"<!DOCTYPE html><html><body>404 Not Found</body></html>".to_vec();
    for body in [page, Vec::new()] {
        let [_, last] = nights(move |_| Reply::new(200).body(&body)).await;
        last.says(1, "partial", &["rejected"]);
    }
}

#[tokio::test]
async fn a_host_that_is_down_in_the_last_day_leaves_a_segment_to_be_tried_again() {
    let file = padded(FASTSTART, LARGE);
    let [_, last] = nights(move |request| match request.range() {
        Some(range) if range.start > 0 => Reply::hang_up(),
        _ => answer(request, &file),
    })
    .await;
    last.says(1, "partial", &["failed"]);
}

#[tokio::test]
async fn a_segment_whose_boxes_are_in_the_same_disorder_twice_is_archived_as_it_is() {
    for file in [AT_END.to_vec(), padded(AT_END, LARGE)] {
        // In place of the header of its last box, the tables.
        let at = file.windows(4).position(|name| name == b"moov").unwrap() - 4;
        let mut file = file;
        file[at..at + 8].copy_from_slice(&[0xfb; 8]);
        let served = file.clone();
        let (world, host) = world(move |request| answer(request, &served)).await;
        let night = world.night(&Selection::Due, |_| {}).await;
        let segment = segment(&night);
        assert!(stored(&night) == file);
        let damage = segment["damage"].as_array().unwrap();
        assert_eq!((damage.len(), &damage[0]["offset"]), (1, &at.into()), "{damage:?}");
        assert_eq!(damage[0]["seen"], 2);
        assert!(!is_evident(&segment));
        let ranges = host.requests().into_iter().filter_map(|request| request.range());
        let all: usize = ranges.map(|r| r.end.min(file.len()).saturating_sub(r.start)).sum();
        assert!(all <= 3 * file.len(), "more than a second look and a second transfer: {all}");
    }
}
