//! Playlists that are odd, or lead elsewhere.

use super::super::check::{Row, scripted};
use super::super::expect::{SAVED, failed};

const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 4\n";

/// Two chunks of it.
const LINES: &str =
    "#EXTINF:2,\\nx.ts?start=0&end=63731\\n#EXTINF:2,\\nx.ts?start=63732&end=131975\\n";

/// Room 2's playlist is this text.
fn text(body: &str) -> String {
    answer("", &format!("{{ body = {{ text = \"{body}\" }} }}"))
}

/// What room 2's playlist, asked for with this query, is answered with.
fn answer(query: &str, then: &str) -> String {
    format!(
        "on = \"vod\"\nroom = 2\npath = \"*.m3u8\"\nquery = \"{query}\"\ntimes = \"always\"\nthen = {then}"
    )
}

fn odd(name: &str, faults: &[String]) -> Row {
    scripted(name, WHOLE, faults, SAVED)
}

/// The same playlist as two variants, by their queries.
fn variants(attributes: [&str; 2], faults: &[(&str, &str)]) -> Vec<String> {
    let [high, low] = attributes;
    let master = format!(
        "#EXTM3U\\n#EXT-X-STREAM-INF:{high}\\n?v=high\\n#EXT-X-STREAM-INF:{low}\\n?v=low\\n"
    );
    let faults = faults.iter().map(|(query, then)| answer(query, then));
    std::iter::once(text(&master)).chain(faults).collect()
}

/// A playlist of two chunks that begin so, and are not looked into.
fn packed(begin: &str) -> [String; 2] {
    let playlist = text("#EXTM3U\\n#EXTINF:2,\\n0.aac\\n#EXTINF:2,\\n1.aac\\n#EXT-X-ENDLIST\\n");
    let body = format!("{begin}{}", "and so on ".repeat(99));
    [playlist, text(&body).replace("*.m3u8", "*.aac")]
}

pub fn rows() -> Vec<Row> {
    let bandwidths = ["BANDWIDTH=9", "BANDWIDTH=1"];
    let gone = "{ status = { code = 404 } }";
    let failing = "{ status = { code = 500 } }";
    let end = "#EXT-X-ENDLIST\\n";
    let gap = "#EXT-X-GAP\\n#EXTINF:2,\\nx.ts?start=9&end=1\\n";
    let above = format!("#EXTM3U\\n{LINES}{end}").replace("x.ts", "../x.ts");
    let deeper = text(&above).replace("*.m3u8", "*/deeper/p.m3u8");
    let redirect = answer("", "{ redirect = { to = \"deeper/p.m3u8\" } }");
    vec![
        odd("a playlist that is elsewhere", &[deeper, redirect]),
        odd("a playlist behind a mark", &[text(&format!("\\uFEFF#EXTM3U\\n{LINES}{end}"))]),
        odd("a playlist with a gap", &[text(&format!("#EXTM3U\\n{gap}{LINES}{end}"))]),
        odd(
            "a playlist of another system",
            &[text(&format!("#EXTM3U\\n{LINES}{end}").replace("\\n", "\\r"))],
        ),
        odd(
            "a playlist full of blanks",
            &[text(&format!(" \\n#EXTM3U\\n{LINES}{end}").replace("\\n", " \\r\\n\\n "))],
        ),
        odd("a playlist of packed audio", &packed("ID3\\u0004\\u0000\\u0000")),
        odd("a playlist of subtitles", &packed("WEBVTT\\n\\n00:00.000 --> 00:01.000\\nHi\\n")),
        odd("a choice without bandwidths", &variants(["NAME=\\\"a\\\"", "PROGRAM-ID=1"], &[])),
        odd("a best variant that is gone", &variants(bandwidths, &[("v=high", gone)])),
        odd("a best variant that is a page", &variants(bandwidths, &[("v=high", "\"html\"")])),
        odd("a best variant that is empty", &variants(bandwidths, &[("v=high", "\"empty\"")])),
        scripted(
            "a best variant whose host fails",
            WHOLE,
            &variants(bandwidths, &[("v=high", failing)]),
            failed("the host answered with status 500"),
        ),
        odd(
            "a best variant whose host fails, and its copy",
            &variants(["BANDWIDTH=9"; 2], &[("v=high", failing)]),
        ),
        scripted(
            "no variant at all",
            WHOLE,
            &variants(bandwidths, &[("v=*", gone)]),
            failed("the host no longer has it, status 404"),
        ),
    ]
}
