//! `doctor --player`, against the store as each vendor has it and a server that misbehaves.

use super::program::{Place, Ran};
use crate::net::{Reply, Request, Server};
use crate::serve::site::{film, publish};
use crate::strict::{Provider, StrictS3};

/// A place whose configuration has nothing but this bucket, and `more`.
async fn place(store: &StrictS3, more: &str) -> Place {
    let place = Place::start("").await;
    place.configure(&format!(
        "[store]\nendpoint = \"{}\"\nbucket = \"replays\"\nprefix = \"live\"\nregion = \"us-east-1\"\n\
         access_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n{more}",
        store.endpoint(),
    ));
    place
}

async fn check(place: &Place, arguments: &[&str]) -> Ran {
    place.run(&[&["doctor", "--player", "--account", "wx1"][..], arguments].concat()).await
}

/// The verdict of each check.
fn verdicts(ran: &Ran) -> Vec<(String, String)> {
    let lines = ran.out.lines().filter(|line| !line.starts_with(' ') && line.contains(": "));
    let parts = lines.filter_map(|line| {
        let (verdict, rest) = line.split_once(' ')?;
        Some((rest.trim_start().split(": ").next()?.to_owned(), verdict.to_owned()))
    });
    parts.collect()
}

fn verdict(ran: &Ran, what: &str) -> String {
    let found = verdicts(ran).into_iter().find(|(name, _)| name == what);
    found.unwrap_or_else(|| panic!("no {what} in {ran:?}")).1
}

#[tokio::test]
async fn what_a_player_gets_by_presigned_urls_is_told_of_each_store() {
    for provider in Provider::ALL {
        let store = StrictS3::start(provider).await;
        publish(&store);
        let place = place(&store, "").await;
        let ran = check(&place, &["--room", "1"]).await;
        let forces = provider.forced_download_header();
        assert_eq!(ran.code, 1, "{provider:?}: the type of a placed object is none: {ran:?}");
        for (what, expected) in [
            ("room", "ok"),
            ("https", "warn"),
            ("the file", "ok"),
            ("ranges", "ok"),
            ("content type", "FAIL"),
            ("disposition", if forces.is_some() { "FAIL" } else { "ok" }),
            ("CORS", "warn"),
            ("mini programs", "ok"),
            ("faststart", "ok"),
        ] {
            assert_eq!(verdict(&ran, what), expected, "{provider:?} {what}: {ran:?}");
        }
        assert!(!ran.out.contains("X-Amz") && !ran.err.contains("X-Amz"), "{ran:?}");
        if let Some(header) = forces {
            assert!(ran.out.contains(header) && ran.out.contains("base_url"), "{ran:?}");
        }
        assert!(store.violations().is_empty(), "{:?}", store.violations());
    }
}

/// What a good CDN answers to a request for the first film.
fn good(request: &Request) -> Reply {
    let film = film(1, 100_000);
    let reply = match request.range() {
        Some(range) => Reply::new(206)
            .header("Content-Range", &format!("bytes {}-{}/100000", range.start, range.end - 1))
            .body(&film[range]),
        None => Reply::new(200).body(&film),
    };
    reply
        .header("Content-Type", "video/mp4")
        .header("Accept-Ranges", "bytes")
        .header("Access-Control-Allow-Origin", "https://shop.example")
        .header("Access-Control-Expose-Headers", "Content-Range, Accept-Ranges, ETag")
}

#[tokio::test]
async fn a_cdn_that_misbehaves_is_told_with_what_to_do() {
    let store = StrictS3::start(Provider::Aws).await;
    publish(&store);
    let cdn = Server::start(good).await;
    let more =
        format!("[serve]\nmedia = \"base_url\"\nbase_url = \"http://{}/\"\n", cdn.authority());
    let place = place(&store, &more).await;
    let page = ["--origin", "https://shop.example/rooms"];
    let ran = check(&place, &[&page[..], &["--room", "1"]].concat()).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let bad: Vec<_> = verdicts(&ran).into_iter().filter(|(_, verdict)| verdict != "ok").collect();
    assert_eq!(bad, [("https".to_owned(), "warn".to_owned())], "{ran:?}");
    let asked = cdn.requests();
    assert!(asked.iter().all(|request| request.target == "/live/wx1/rooms/1/segments/a.mp4"));
    assert!(asked.iter().all(|request| request.header("authorization").is_none()));
    assert!(asked.iter().any(|request| {
        request.header("referer").is_some_and(|from| from.contains("servicewechat.com"))
    }));
    type Script = fn(&Request) -> Option<Reply>;
    let plain: Script = |_| Some(Reply::new(200).body(&film(1, 100_000)));
    let bad: [(&str, &str, Script); 6] = [
        ("ranges", "206", plain),
        ("the file", "404", |_| Some(Reply::full(404, "nothing"))),
        ("the file", "link_key_file", |_| Some(Reply::full(403, "no"))),
        ("the file", "does not name", |_| {
            Some(Reply::new(302).header("Location", "http://elsewhere.example/a.mp4").body(b""))
        }),
        ("mini programs", "servicewechat.com", |request| {
            let refused = request.header("referer").map(|_| Reply::full(403, "hotlink"));
            Some(refused.unwrap_or_else(|| good(request)))
        }),
        ("the file", "the request failed", |_| Some(Reply::hang_up())),
    ];
    for (what, part, script) in bad {
        cdn.answer(script);
        let ran = check(&place, &["--room", "1"]).await;
        assert_eq!((ran.code, verdict(&ran, what).as_str()), (1, "FAIL"), "{what}: {ran:?}");
        assert!(ran.out.contains(part) && ran.out.contains("hint: "), "{part}: {ran:?}");
    }
}

#[tokio::test]
async fn a_whole_needs_cors_and_a_room_is_found_by_itself() {
    let store = StrictS3::start(Provider::Aws).await;
    publish(&store);
    let place = place(&store, "").await;
    let ran = check(&place, &["--json"]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines = ran.lines();
    // The newest of the catalog that plays has a whole.
    let room = &lines[0];
    assert!(room["text"].as_str().unwrap().starts_with("2 of wx1: the first chunk"), "{ran:?}");
    let cors = lines.iter().find(|line| line["check"] == "CORS").unwrap();
    assert_eq!(cors["verdict"], "FAIL", "{cors}");
    assert!(ran.summary()["failed"].as_u64().unwrap() >= 1);
    assert_eq!(check(&place, &["--room", "77"]).await.code, 1);
    let usage = place.run(&["doctor", "--room", "1"]).await;
    assert!(usage.code == 2 && usage.err.contains("--player"), "{usage:?}");
}
