//! One table of URLs that lead into the machine, by every way a URL comes in.

use std::sync::atomic::{AtomicUsize, Ordering};

use replay_archiver::media::hls::Playlist;
use replay_archiver::media::source::{FetchProblem, MediaClient};
use replay_archiver::model::MediaUrl;

use super::canary::Canary;
use super::dns::{Names, client};
use crate::net::{Reply, Server};
use crate::pipeline::world::World;

/// `PORT` is that of a server on loopback that is not to be reached. `*.example.com:PORT` is
/// allowed, and every name there is means 127.0.0.1: the check of the URL is all that stands
/// between.
const URLS: [&str; 54] = [
    "http://127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7F.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://017700000001:PORT/",
    "http://127.0.0.0x1:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT/",
    "http://127\u{3002}0\u{3002}0\u{3002}1:PORT/",
    "http://\u{2460}27.0.0.1:PORT/",
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::FFFF:7f00:1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[fe80::1%25lo]:PORT/",
    "http://[fe80::1%lo]:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST.:PORT/",
    "http://localhost.localdomain:PORT/",
    "http://127.0.0.1.nip.io:PORT/",
    "http://example.com:PORT/",
    "http://a.example.com.evil.test:PORT/",
    "http://a.example.com%00.evil.test:PORT/",
    "http://a.example.com%2f.evil.test:PORT/",
    "http://evil-example.com:PORT/",
    "http://a.example.com:PORT@127.0.0.1:PORT/",
    "http://a.example.com@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@a.example.com:PORT/",
    "http://127.0.0.1:PORT#@a.example.com:PORT/",
    "http://127.0.0.1:PORT?@a.example.com:PORT/",
    "http://127.0.0.1:PORT;a.example.com:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT\\",
    "ht\ttp://127.0.0.1\n:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
];

fn urls(canary: &Canary) -> impl Iterator<Item = String> + use<> {
    let port = canary.port().to_string();
    URLS.iter().map(move |url| url.replace("PORT", &port))
}

/// A client that may go to `*.example.com` on the canary's port, and to `host`.
fn open_client(canary: &Canary, host: &Server) -> MediaClient {
    let names = Names::new(&[&["127.0.0.1"]]);
    client(&[format!("*.example.com:{}", canary.port()), host.authority()], names)
}

#[tokio::test]
async fn no_url_into_the_machine_is_asked_for() {
    let canary = Canary::on("127.0.0.1:0");
    let host = Server::start(|_| Reply::new(404)).await;
    let client = open_client(&canary, &host);
    for text in urls(&canary) {
        // What cannot be read as a media URL is not asked for either.
        if let Ok(url) = MediaUrl::parse(&text) {
            let opened = client.open(&url, 10).await.unwrap_err();
            assert!(matches!(opened.problem, FetchProblem::Blocked(_)), "{text}: {opened}");
            let small = client.small(&url, 10).await.unwrap_err();
            assert!(matches!(small.problem, FetchProblem::Blocked(_)), "{text}: {small}");
        }
        canary.assert_untouched(&text);
    }
}

#[tokio::test]
async fn no_redirect_into_the_machine_is_followed() {
    let canary = Canary::on("127.0.0.1:0");
    // A header takes no line ends, and no letters beyond ASCII.
    let sendable = |url: &String| url.is_ascii() && !url.contains(['\n', '\t']);
    let mut targets: Vec<String> = urls(&canary).filter(sendable).collect();
    targets.push(format!("//127.0.0.1:{}/", canary.port()));
    targets.push(format!("\\\\127.1:{}/", canary.port()));
    let count = targets.len();
    let next = AtomicUsize::new(0);
    let host = Server::start(move |request| {
        // `http:127.0.0.1` is a path on the same host, which may be followed.
        if request.target != "/f0.mp4" {
            return Reply::new(404);
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        Reply::new([301, 302, 303, 307, 308][number % 5]).header("Location", &targets[number])
    })
    .await;
    let client = open_client(&canary, &host);
    for number in 0..count {
        assert!(client.open(&host.url("/f0.mp4"), 10).await.is_err(), "{number}");
        canary.assert_untouched(&format!("redirect {number}"));
    }
    let asked = host.requests().into_iter().filter(|request| request.target == "/f0.mp4").count();
    assert_eq!(asked, count, "each was asked once");
}

#[tokio::test]
async fn no_playlist_leads_into_the_machine() {
    let canary = Canary::on("127.0.0.1:0");
    let host = Server::start(|_| Reply::new(404)).await;
    let client = open_client(&canary, &host);
    let base = host.url("/a/playlist.m3u8");
    for text in urls(&canary) {
        let shapes = [
            format!("#EXTINF:1,\n{text}\n"),
            format!("#EXT-X-MAP:URI=\"{text}\"\n#EXTINF:1,\na.ts\n"),
            format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{text}\"\n#EXTINF:1,\na.ts\n"),
            format!("#EXT-X-STREAM-INF:BANDWIDTH=1\n{text}\n"),
        ];
        for shape in shapes {
            let playlist = format!("#EXTM3U\n{shape}#EXT-X-ENDLIST\n");
            let files: Vec<MediaUrl> = match Playlist::parse(playlist.as_bytes(), &base) {
                Ok(Playlist::Master(variants)) => {
                    variants.into_iter().map(|variant| variant.link.url).collect()
                }
                Ok(Playlist::Media(media)) => {
                    media.files().map(|file| file.link.url.clone()).collect()
                }
                Err(_) => continue,
            };
            for url in files {
                let error = client.small(&url, 10).await.unwrap_err();
                let is_own = url.host() == host.authority();
                assert!(
                    is_own || matches!(error.problem, FetchProblem::Blocked(_)),
                    "{text}: {error}"
                );
            }
            canary.assert_untouched(&playlist);
        }
    }
}

#[tokio::test]
async fn a_whole_run_is_led_nowhere_by_urls_redirects_playlists_and_pictures() {
    let canary = Canary::on("127.0.0.1:0");
    let port = canary.port();
    let world = World::start(&format!(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n\
         raw = {{ cover_img = \"http://127.1:{port}/x\", share_img = \"http://[::ffff:7f00:1]:{port}/\" }}\n\
         [[account.room.replay]]\n\
         [[account.room.replay]]\nmedia_url = \"http://2130706433:{port}/a/f0.mp4\"\n\
         [[account.room.replay]]\nmedia_url = \"http://localhost:{port}/b/playlist.m3u8\"\n\
         [[account.room]]\nid = 2\nstart = \"-8d\"\n[[account.room.replay]]\nkind = \"whole\"\nseconds = 6\n\
         [[account.room]]\nid = 3\nstart = \"-7d\"\n[[account.room.replay]]\n"
    ))
    .await;
    let playlist = format!(
        "#EXTM3U\\n#EXT-X-MAP:URI=\\\"http://127.0.0.1:{port}/i.mp4\\\"\\n\
         #EXTINF:2,\\nhttp://0x7f.1:{port}/1.ts\\n#EXTINF:2,\\n//127.0.0.1:{port}/2.ts\\n#EXT-X-ENDLIST\\n"
    );
    world.fault(&format!(
        "on = \"vod\"\npath = \"*.m3u8\"\ntimes = \"always\"\nthen = {{ body = {{ text = \"{playlist}\" }} }}"
    ));
    world.fault(&format!(
        "on = \"vod\"\nroom = 3\npath = \"*.mp4\"\ntimes = \"always\"\n\
         then = {{ redirect = {{ to = \"http://127.0.0.1:{port}/c\" }} }}"
    ));
    let night = world.run().await;
    canary.assert_untouched("the run");
    let archived = |room: u64| night.bucket.manifest(room)["completeness"]["archived"].clone();
    assert_eq!((archived(1), archived(2), archived(3)), (1.into(), 0.into(), 0.into()));
    for image in night.bucket.manifest(1)["room"]["images"].as_array().unwrap() {
        let is_hostile = image["role"] == "cover" || image["role"] == "share";
        assert_eq!(image["note"].is_string(), is_hostile, "{image}");
    }
}
