//! Playlists for the players of a desktop: extended M3U and XSPF, both in UTF-8. Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What is played, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List {
    /// The title of all of it.
    pub title: String,
    /// Who made it; empty if that is not known.
    pub creator: String,
    /// The files.
    pub tracks: Vec<Track>,
}

/// A file that is played.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Track {
    /// Where it is.
    pub url: String,
    pub title: String,
    /// How long it plays, in milliseconds, if that is known.
    pub duration_ms: Option<u64>,
}

/// The list as extended M3U.
pub fn m3u(list: &List) -> String {
    let mut text = format!("#EXTM3U\n#EXTENC:UTF-8\n#PLAYLIST:{}\n", on_one_line(&list.title));
    for track in &list.tracks {
        let seconds = track.duration_ms.map(|ms| ms.saturating_add(500) / 1000);
        let seconds = seconds.map_or_else(|| "-1".to_owned(), |seconds| seconds.to_string());
        let title = on_one_line(&track.title);
        let _ = writeln!(text, "#EXTINF:{seconds},{title}\n{}", track.url);
    }
    text
}

/// The list as XSPF.
pub fn xspf(list: &List) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                    <playlist version=\"1\" xmlns=\"http://xspf.org/ns/0/\">\n"
        .to_owned();
    element(&mut text, 1, "title", &list.title);
    if !list.creator.is_empty() {
        element(&mut text, 1, "creator", &list.creator);
    }
    text.push_str("  <trackList>\n");
    for track in &list.tracks {
        text.push_str("    <track>\n");
        element(&mut text, 3, "location", &track.url);
        element(&mut text, 3, "title", &track.title);
        if let Some(duration_ms) = track.duration_ms {
            element(&mut text, 3, "duration", &duration_ms.to_string());
        }
        text.push_str("    </track>\n");
    }
    text.push_str("  </trackList>\n</playlist>\n");
    text
}

fn element(text: &mut String, depth: usize, name: &str, content: &str) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(text, "{indent}<{name}>{}</{name}>", escaped(content));
}

/// A text that no reader takes for more than one line.
fn on_one_line(text: &str) -> String {
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if is_break(c) { ' ' } else { c }).collect()
}

/// A text inside an element. What XML cannot hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => Cow::from("&amp;"),
        '<' => "&lt;".into(),
        '>' => "&gt;".into(),
        '\t' | '\n' | '\r' => " ".into(),
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => "\u{fffd}".into(),
        c => c.to_string().into(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> List {
        let track = |url: &str, title: &str, duration_ms| Track {
            url: url.to_owned(),
            title: title.to_owned(),
            duration_ms,
        };
        List {
            title: "双11 <专场> & more\n#EXTVLCOPT:x".to_owned(),
            creator: "小雨".to_owned(),
            tracks: vec![
                track("https://s/a.mp4?x=1&y=2", "a, b\r1/2", Some(263_499)),
                track("https://s/b.mp4", "]]>\u{7}\u{2028}", None),
            ],
        }
    }

    #[test]
    fn a_title_stays_on_its_line_of_an_m3u() {
        let expected = "#EXTM3U\n#EXTENC:UTF-8\n#PLAYLIST:双11 <专场> & more #EXTVLCOPT:x\n\
                        #EXTINF:263,a, b 1/2\nhttps://s/a.mp4?x=1&y=2\n\
                        #EXTINF:-1,]]>  \nhttps://s/b.mp4\n";
        assert_eq!(m3u(&list()), expected);
    }

    #[test]
    fn whatever_a_title_has_xspf_stays_xml() {
        let text = xspf(&list());
        for part in [
            "<title>双11 &lt;专场&gt; &amp; more #EXTVLCOPT:x</title>",
            "<creator>小雨</creator>",
            "<location>https://s/a.mp4?x=1&amp;y=2</location>",
            "<duration>263499</duration>",
            "<title>]]&gt;\u{fffd}\u{2028}</title>",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert_eq!(text.matches("<duration>").count(), 1, "{text}");
    }
}
