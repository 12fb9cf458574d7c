//! Oddities that players ignore.

use super::*;

#[test]
fn oddities_that_players_pass_over_change_nothing() {
    let expected = parse(TENCENT).unwrap().rewritten(|_| true);
    let crs = TENCENT.replace('\n', "\r");
    for odd in [
        format!("\u{feff}{TENCENT}"),
        format!("\u{feff}\r\n \n\n{TENCENT}"),
        TENCENT.replace('\n', "\r\n"),
        TENCENT.replace('\n', " \n\n\t"),
        TENCENT.replace("#EXTM3U", "#EXTM3U x-title=\"a\""),
        TENCENT.replace("#EXTINF:12.5,", "#EXTINF:12.5"),
        TENCENT.replace("#EXTINF:12.5,", "#EXTINF: 12.5 ,title, with a comma"),
        TENCENT.replace("#EXTINF:12.5,", "#EXT-X-UNHEARD-OF:1\n# a comment\n#EXTINF:12.5,"),
        TENCENT.trim_end().to_owned(),
        crs,
    ] {
        assert_eq!(parse(&odd).unwrap().rewritten(|_| true), expected, "{odd:?}");
    }
    let bare = TENCENT.replace("#EXT-X-VERSION:3\n", "").replace("#EXT-X-TARGETDURATION:13\n", "");
    assert_eq!(parse(&bare).unwrap().rewritten(|_| true), expected);
    for other in ["", "<html>#EXTM3U", "x#EXTM3U\n", "#EXTM3UX\n", "\u{feff}", "#extm3u\n"] {
        assert!(parse(other).is_err(), "{other:?}");
    }
}

#[test]
fn a_title_in_another_encoding_is_passed_over_and_a_name_in_it_asked_for_as_it_is() {
    let text = with("#EXTINF:2,title ?\n?.ts").into_bytes();
    let latin: Vec<u8> =
        text.into_iter().map(|byte| if byte == b'?' { 0xd6 } else { byte }).collect();
    let Ok(Playlist::Media(playlist)) = Playlist::parse(&latin, &base()) else { panic!() };
    assert_eq!(playlist.chunks[0].file.link.url.path(), "/app/id/%D6.ts");
}
