mod odd;

use proptest::prelude::*;

use super::*;

/// In the form of Tencent VOD's playlists: queries select bytes, and may be signed.
const TENCENT: &str = "#EXTM3U
#EXT-X-VERSION:3
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-TARGETDURATION:13
#EXT-X-PLAYLIST-TYPE:VOD
#EXTINF:10.010,
1_0.ts?start=0&end=384083&type=mpegts&resolution=720x1280&sign=s3cret
#EXTINF:12.5,
1_0.ts?start=384084&end=900000&type=mpegts&resolution=720x1280&sign=s3cret
#EXT-X-DISCONTINUITY
#EXTINF:3.333,
other/2_0.TS?t=s3cret
#EXT-X-ENDLIST
";

fn base() -> MediaUrl {
    MediaUrl::parse("http://v.vod2.myqcloud.com/app/id/playlist.f3.m3u8?sign=base").unwrap()
}

fn parse(text: &str) -> Result<MediaPlaylist, HlsError> {
    match Playlist::parse(text.as_bytes(), &base())? {
        Playlist::Media(media) => Ok(media),
        Playlist::Master(variants) => panic!("a master of {variants:?}"),
    }
}

fn with(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:10\n{lines}\n#EXT-X-ENDLIST\n")
}

#[test]
fn a_playlist_of_tencents_names_its_chunks_with_their_queries() {
    let playlist = parse(TENCENT).unwrap();
    assert_eq!(playlist.duration_ms(), 10_010 + 12_500 + 3_333);
    let chunk = &playlist.chunks[1];
    assert_eq!(
        chunk.file.link.url.expose().as_str(),
        "http://v.vod2.myqcloud.com/app/id/1_0.ts?start=384084&end=900000&type=mpegts&resolution=720x1280&sign=s3cret"
    );
    let names: Vec<_> = playlist.files().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["chunk-000000.ts", "chunk-000001.ts", "chunk-000002.ts"]);
    assert_eq!(playlist.chunks[2].file.link.url.path(), "/app/id/other/2_0.TS");
    assert!(playlist.chunks[2].discontinuity && !chunk.discontinuity);
    assert!(!format!("{playlist:?}").contains("s3cret"));
}

#[test]
fn the_copy_is_a_playlist_of_the_stored_files() {
    let copy = parse(TENCENT).unwrap().rewritten(|_| true);
    assert_eq!(
        copy,
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:13\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:10.010,\nchunk-000000.ts\n#EXTINF:12.500,\n\
         chunk-000001.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:3.333,\nchunk-000002.ts\n#EXT-X-ENDLIST\n"
    );
    let again = parse(&copy).unwrap();
    assert_eq!(again.duration_ms(), parse(TENCENT).unwrap().duration_ms());
    assert_eq!(again.rewritten(|_| true), copy);
}

#[test]
fn the_original_keeps_all_but_signatures() {
    let redacted = String::from_utf8(redacted_source(TENCENT.as_bytes())).unwrap();
    let expected = TENCENT.replace("&sign=s3cret", "").replace("?t=s3cret", "");
    assert_eq!(redacted, expected);
    let table = [
        (
            "#EXT-X-MAP:URI=\"i.mp4?sign=x&start=0\",BYTERANGE=\"1@0\"\r\n",
            "#EXT-X-MAP:URI=\"i.mp4?start=0\",BYTERANGE=\"1@0\"\r\n",
        ),
        ("a.ts?start=0?sign=x", "a.ts"),
        ("a.ts?end=1;sign=x&type=a", "a.ts?type=a"),
        ("a.ts?START=1", "a.ts"),
        ("a.ts", "a.ts"),
    ];
    for (source, expected) in table {
        assert_eq!(String::from_utf8(redacted_source(source.as_bytes())).unwrap(), expected);
    }
}

#[test]
fn a_playlist_cut_at_any_place_is_refused() {
    for end in 0..TENCENT.len() - 1 {
        assert!(parse(&TENCENT[..end]).is_err(), "cut at {end}: {}", &TENCENT[..end]);
    }
    assert!(parse(&TENCENT.replace("#EXTM3U\n", "")).is_err());
    assert_eq!(parse(&with("")).unwrap_err(), HlsError::NoSegments);
    assert_eq!(parse("<html>").unwrap_err(), HlsError::Page("an HTML or XML page"));
    assert_eq!(parse("").unwrap_err(), HlsError::NotHls);
    assert_eq!(parse("#EXTM3U8\n").unwrap_err(), HlsError::NotHls);
}

#[test]
fn encrypted_segments_are_refused_and_clear_ones_are_not() {
    let keyed = |key: &str| parse(&with(&format!("#EXT-X-KEY:{key}\n#EXTINF:1,\na.ts")));
    assert!(keyed("METHOD=NONE").is_ok());
    let aes = Err(HlsError::Encrypted("AES-128".to_owned()));
    assert_eq!(keyed("METHOD=AES-128,URI=\"https://k/?s3cret\"").map(|_| ()), aes);
    assert_eq!(keyed("URI=k,METHOD=AES-128").map(|_| ()), aes);
    assert!(keyed("").is_err());
    assert!(keyed("METHOD=").is_err());
}

#[test]
fn damage_is_not_passed_over() {
    for damaged in [
        "#EXTINF:-1,\na.ts",
        "#EXTINF:x,\na.ts",
        "#EXTINF:NaN,\na.ts",
        "#EXTINF:,\na.ts",
        "#EXTINF:99999999999999999999999999999999999999999999,\na.ts",
        "a.ts",
        "#EXTINF:1,\na.ts\nb.ts",
        "#EXTINF:1,\n#EXTINF:1,\na.ts",
        "#EXTINF:1,\n#EXT-X-BYTERANGE:x\na.ts",
        "#EXTINF:1,\n#EXT-X-BYTERANGE:5\na.ts",
        "#EXTINF:1,\n#EXT-X-BYTERANGE:0@5\na.ts",
        "#EXTINF:1,\n#EXT-X-BYTERANGE:9@18446744073709551615\na.ts",
        "#EXT-X-MAP:URI=\"init.mp4\n#EXTINF:1,\na.m4s",
        "#EXT-X-MAP:URI=\"init.mp4\"x,BYTERANGE=\"1@0\"\n#EXTINF:1,\na.m4s",
        "#EXTINF:1,",
        "#EXT-X-MAP:x\n#EXTINF:1,\na.m4s?b=c",
        "#EXTINF:1,\nftp://x/a.ts",
        "#EXTINF:1,\nhttp://u:p@x/a.ts",
    ] {
        assert!(parse(&with(damaged)).is_err(), "{damaged}");
    }
}

#[test]
fn maps_and_byte_ranges_become_files_of_their_own() {
    let playlist = parse(&with(
        "#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"700@0\"\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:1000@700\nall.mp4\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:500\nall.mp4\n\
         #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"two.mp4\"\n#EXTINF:2,\ntwo.m4s",
    ))
    .unwrap();
    let files: Vec<_> =
        playlist.files().map(|file| (file.name.as_str(), file.range.clone())).collect();
    assert_eq!(
        files,
        [
            ("init-000000.mp4", Some(0..700)),
            ("init-000001.mp4", None),
            ("chunk-000000.mp4", Some(700..1700)),
            ("chunk-000001.mp4", Some(1700..2200)),
            ("chunk-000002.m4s", None),
        ]
    );
    assert_eq!(
        playlist.chunks.iter().map(|chunk| chunk.init).collect::<Vec<_>>(),
        [Some(0), Some(0), Some(1)]
    );
    let copy = playlist.rewritten(|_| true);
    assert!(copy.contains("#EXT-X-VERSION:6\n"));
    assert_eq!(copy.matches("#EXT-X-MAP:").count(), 2);
    assert!(!copy.contains("BYTERANGE"));
    assert!(parse(&copy).is_ok());
}

#[test]
fn what_is_not_stored_is_left_out_with_a_discontinuity_in_its_place() {
    let lines: String = (0..6).map(|n| format!("#EXTINF:{n}.5,\n{n}.ts\n")).collect();
    let playlist = parse(&with(lines.trim_end())).unwrap();
    let stored = |missing: &'static [usize]| {
        move |file: &ChunkFile| !missing.iter().any(|n| file.name.contains(&format!("00{n}.")))
    };
    let copy = playlist.rewritten(stored(&[1, 2, 5]));
    assert_eq!(
        copy,
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:0.500,\nchunk-000000.ts\n#EXT-X-DISCONTINUITY\n\
         #EXTINF:3.500,\nchunk-000003.ts\n#EXTINF:4.500,\nchunk-000004.ts\n#EXT-X-ENDLIST\n"
    );
    assert!(parse(&copy).is_ok());
    assert_eq!(playlist.playable_ms(stored(&[1, 2, 5])), 500 + 3_500 + 4_500);
    let lacks: Vec<_> = playlist.lacks(stored(&[1, 2, 5])).iter().map(outline).collect();
    let name = |n: usize| format!("chunk-00000{n}.ts");
    assert_eq!(lacks, [(name(1), 500, 1_500), (name(2), 2_000, 2_500), (name(5), 12_500, 5_500)]);
    assert_eq!(playlist.lacks(|_| true).len(), 0);
}

/// Whether the copy is the beginning of the original, so that it needs no discontinuity.
fn ends_short(playlist: &MediaPlaylist, copy: &MediaPlaylist) -> bool {
    let names = |playlist: &MediaPlaylist| -> Vec<_> {
        playlist.chunks.iter().map(|chunk| chunk.file.name.clone()).collect()
    };
    let all: Vec<_> = playlist.chunks.iter().map(|chunk| chunk.duration_ms).collect();
    let kept: Vec<_> = copy.chunks.iter().map(|chunk| chunk.duration_ms).collect();
    names(copy).len() <= names(playlist).len() && all.starts_with(&kept)
}

fn outline(lack: &Lack<'_>) -> (String, u64, u64) {
    (lack.file.name.clone(), lack.offset_ms, lack.duration_ms)
}

#[test]
fn a_gap_of_the_source_is_kept_and_nothing_to_store() {
    let playlist = parse(&with(
        "#EXTINF:2,\na.ts\n#EXT-X-GAP\n#EXTINF:3,\n\\b/c:d\n#EXTINF:2,\n#EXT-X-GAP\ngone.ts\n#EXTINF:2,\nd.ts",
    ))
    .unwrap();
    let names: Vec<_> = playlist.files().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["chunk-000000.ts", "chunk-000003.ts"]);
    assert_eq!((playlist.duration_ms(), playlist.playable_ms(|_| true)), (9_000, 4_000));
    let copy = playlist.rewritten(|_| true);
    assert_eq!(copy.matches("#EXT-X-GAP\n#EXTINF:").count(), 2, "{copy}");
    assert!(copy.contains("#EXT-X-VERSION:8\n") && !copy.contains("DISCONTINUITY"), "{copy}");
    let again = parse(&copy).unwrap();
    assert_eq!(again.rewritten(|_| true), copy);
    let all = parse(&with("#EXT-X-GAP\n#EXTINF:2,\na.ts")).map(|_| ());
    assert_eq!(all, Err(HlsError::NoSegments));
}

#[test]
fn what_a_missing_section_is_needed_for_is_not_played_and_counted_once() {
    let playlist = parse(&with(
        "#EXT-X-MAP:URI=\"unused.mp4\"\n#EXT-X-MAP:URI=\"a.mp4\"\n#EXTINF:1,\n0.m4s\n#EXTINF:2,\n1.m4s\n\
         #EXT-X-MAP:URI=\"b.mp4\"\n#EXTINF:4,\n2.m4s",
    ))
    .unwrap();
    let files: Vec<_> = playlist.files().map(|file| file.name.as_str()).collect();
    assert_eq!(files[..2], ["init-000001.mp4", "init-000002.mp4"], "nothing needs the other");
    let is_stored =
        |file: &ChunkFile| !["init-000001.mp4", "chunk-000001.m4s"].contains(&file.name.as_str());
    assert_eq!(playlist.playable_ms(is_stored), 4_000);
    let lacks: Vec<_> = playlist.lacks(is_stored).iter().map(outline).collect();
    let expected =
        [("init-000001.mp4".to_owned(), 0, 1_000), ("chunk-000001.m4s".to_owned(), 1_000, 2_000)];
    assert_eq!(lacks, expected);
    let copy = playlist.rewritten(is_stored);
    let named = "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-000002.mp4\"\n#EXTINF:4.000,\nchunk-000002.m4s\n";
    assert!(copy.contains(named), "{copy}");
}

#[test]
fn renamed_files_are_another_playlists_in_name_alone() {
    let mut playlist = parse(TENCENT).unwrap();
    let identity = playlist.identity();
    playlist.rename("0123abcd-");
    assert!(playlist.files().all(|file| file.name.starts_with("0123abcd-chunk-00000")));
    assert_eq!(playlist.identity(), identity);
}

#[test]
fn the_target_duration_is_never_less_than_a_segment() {
    let copy = parse(&with("#EXTINF:12.4,\na.ts")).unwrap().rewritten(|_| true);
    assert!(copy.contains("#EXT-X-TARGETDURATION:13\n"), "{copy}");
}

#[test]
fn unusual_extensions_are_not_taken_over() {
    for uri in ["a.exe", "a", "a.ts%2f..", "a.php?x=.ts", ".."] {
        let playlist = parse(&with(&format!("#EXTINF:1,\n{uri}"))).unwrap();
        assert_eq!(playlist.chunks[0].file.name, "chunk-000000.bin", "{uri}");
        assert_eq!(playlist.chunks[0].file.content_type(), "application/octet-stream");
    }
}

#[test]
fn the_best_variant_that_holds_everything_is_chosen() {
    let best = |text: &str| match Playlist::parse(text.as_bytes(), &base()) {
        Ok(Playlist::Master(variants)) => Ok(variants[0].link.url.expose().to_string()),
        Ok(Playlist::Media(_)) => panic!("not a master"),
        Err(error) => Err(error),
    };
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100,RESOLUTION=1x1\nlow.m3u8\n\
                  #EXT-X-STREAM-INF:BANDWIDTH=900,RESOLUTION=2x2\nhigh.m3u8?sign=x\n\
                  #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9000,URI=\"i.m3u8\"\n";
    assert_eq!(best(master).unwrap(), "http://v.vod2.myqcloud.com/app/id/high.m3u8?sign=x");
    let apart = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"a.m3u8\"\n\
                 #EXT-X-STREAM-INF:BANDWIDTH=900,AUDIO=\"a\"\nmute.m3u8\n";
    assert_eq!(best(apart), Err(HlsError::SoundApart));
    let untold = master.replace("BANDWIDTH=900,", "");
    assert!(best(&untold).unwrap().ends_with("/low.m3u8"), "no bandwidth is none");
    let damaged = master.replace("RESOLUTION=2x2", "RESOLUTION=\"2x2");
    assert!(matches!(best(&damaged), Err(HlsError::Malformed(_))));
    let both = format!("{apart}#EXT-X-STREAM-INF:BANDWIDTH=100\nboth.m3u8\n");
    assert!(best(&both).unwrap().ends_with("/both.m3u8"));
}

#[test]
fn absurd_playlists_are_refused_at_once() {
    let large = format!("#EXTM3U\n{}", "#".repeat(MAX_BYTES));
    assert_eq!(parse(&large).unwrap_err(), HlsError::TooLarge(MAX_BYTES + 8));
    let many = with(&"#EXTINF:1,\na\n".repeat(MAX_CHUNKS + 1));
    assert_eq!(parse(&many).unwrap_err(), HlsError::TooManyChunks);
    let maps = |line: &str| parse(&with(&line.repeat(MAX_BYTES / line.len() - 10)));
    assert!(maps("#EXT-X-MAP:x\n").is_err());
    assert!(maps("#EXT-X-MAP:a=b,x\n").is_err());
    assert!(maps("#EXT-X-MAP:a=b\n").is_err());
}

#[test]
fn short_lines_that_stand_for_long_urls_do_not_fill_the_memory() {
    let long = format!("http://h/{}/playlist.m3u8", "a".repeat(16_000));
    let base = MediaUrl::parse(&long).unwrap();
    let text = with(&"#EXTINF:1,\na\n".repeat(MAX_CHUNKS - 1));
    assert_eq!(Playlist::parse(text.as_bytes(), &base).map(|_| ()), Err(HlsError::LongUrls));
    assert!(MediaUrl::parse(&"http://h/a".repeat(10_000)).is_err());
}

#[test]
fn a_million_lines_and_attributes_are_judged() {
    let lines = |line: &str, count| with(&line.repeat(count));
    assert!(parse(&lines("#\n", 1_000_000)).is_err());
    assert!(parse(&lines("#EXT-X-DISCONTINUITY\n", 100_000)).is_err());
    let attributes = format!("#EXT-X-MAP:{}URI=\"a.mp4\"", "A=1,".repeat(1_000_000));
    let playlist = parse(&with(&format!("{attributes}\n#EXTINF:1,\na.m4s"))).unwrap();
    assert_eq!(playlist.inits.len(), 1);
}

proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_judged(
        text in "(#EXT(M3U|INF:|-X-[A-Z]{3,9}:?)|[\"=,?&a-z0-9.:/@ -]{0,8}|\r?\n|\\PC){0,60}",
    ) {
        let text = format!("#EXTM3U\n{text}\n#EXT-X-ENDLIST\n");
        if let Ok(Playlist::Media(playlist)) = Playlist::parse(text.as_bytes(), &base()) {
            prop_assert!(parse(&playlist.rewritten(|_| true)).is_ok(), "{}", playlist.rewritten(|_| true));
        }
    }

    #[test]
    fn whatever_is_missing_the_copy_plays_the_rest_and_the_sums_agree(
        chunks in proptest::collection::vec((0_u32..9_000, 0_u8..4, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let lines: Vec<String> = chunks
            .iter()
            .enumerate()
            .map(|(at, (ms, kind, gap, _))| {
                let map = if *kind == 0 { format!("#EXT-X-MAP:URI=\"{at}.mp4\"\n") } else { String::new() };
                let gap = if *gap && *kind == 1 { "#EXT-X-GAP\n" } else { "" };
                format!("{map}{gap}#EXTINF:{}.{:03},\n{at}.ts", ms / 1000, ms % 1000)
            })
            .collect();
        let Ok(playlist) = parse(&with(&lines.join("\n"))) else { return Ok(()) };
        let is_stored = |file: &ChunkFile| {
            let at: usize = file.name.split(['-', '.']).nth(1).unwrap().parse().unwrap();
            chunks[at].3
        };
        let lacking: u64 = playlist.lacks(is_stored).iter().map(|lack| lack.duration_ms).sum();
        let gaps = playlist.chunks.iter().filter(|chunk| chunk.is_gap);
        let gaps: u64 = gaps.map(|chunk| chunk.duration_ms).sum();
        let playable = playlist.playable_ms(is_stored);
        prop_assert_eq!(playable + lacking + gaps, playlist.duration_ms());
        if playable > 0 {
            let copy = parse(&playlist.rewritten(is_stored)).unwrap();
            prop_assert_eq!(copy.playable_ms(|_| true), playable);
            let discontinuities = copy.chunks.iter().filter(|chunk| chunk.discontinuity).count();
            prop_assert!(discontinuities > 0 || lacking == 0 || ends_short(&playlist, &copy));
        }
    }

    #[test]
    fn no_signature_survives_redaction(
        text in "[a-z#\":=,&?\r\n]{0,60}",
        before in "[a-z\"=&?]{0,9}",
        separator in "[?&]",
    ) {
        let source = format!("{text}\nx.ts?{before}{separator}sign=S3CRET\n{text}");
        let redacted = String::from_utf8(redacted_source(source.as_bytes())).unwrap();
        prop_assert!(!redacted.contains("S3CRET"), "{}", redacted);
    }

    #[test]
    fn every_playlist_of_segments_is_copied_whole(
        durations in proptest::collection::vec(0_u32..60_000, 1..50),
    ) {
        let lines: Vec<String> = durations
            .iter()
            .enumerate()
            .map(|(at, ms)| format!("#EXTINF:{}.{:03},\n{at}.ts?start={at}", ms / 1000, ms % 1000))
            .collect();
        let playlist = parse(&with(&lines.join("\n"))).unwrap();
        let copied = parse(&playlist.rewritten(|_| true)).unwrap();
        let of = |playlist: &MediaPlaylist| -> Vec<u64> {
            playlist.chunks.iter().map(|chunk| chunk.duration_ms).collect()
        };
        let expected: Vec<u64> = durations.iter().map(|ms| u64::from(*ms)).collect();
        prop_assert_eq!(of(&playlist), expected.clone());
        prop_assert_eq!(of(&copied), expected);
    }
}
