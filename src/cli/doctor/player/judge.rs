//! What answers to a browser mean for a player. Pure.

use url::{Host, Url};

use super::visit::Answer;
use crate::cli::figures::counted;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// An MP4.
    Film,
    /// A chunk of an HLS playlist, which a script fetches.
    Chunk,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    Warn,
    Fail,
}

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub verdict: Verdict,
    pub what: &'static str,
    pub text: String,
}

fn good(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Good, what, text: text.into() }
}

fn warn(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Warn, what, text: text.into() }
}

fn fail(what: &'static str, text: impl Into<String>) -> Finding {
    Finding { verdict: Verdict::Fail, what, text: text.into() }
}

/// The answer to a request for all of a file of this size.
pub(super) fn whole(answer: &Answer, bytes: Option<u64>) -> Finding {
    const WHAT: &str = "the file";
    let Answer { status, url, .. } = answer;
    let host = url.host_str().unwrap_or_default();
    let hint = match status {
        200 => {
            let length = answer.header("content-length").parse::<u64>().ok();
            return match (length, bytes) {
                (Some(length), Some(bytes)) if length != bytes => fail(
                    WHAT,
                    format!(
                        "{host} has {length} bytes of it, and {bytes} were archived\n\
                         hint: does the address show this bucket? `verify` compares all objects [RA621]"
                    ),
                ),
                _ => good(WHAT, format!("{host} answers 200 without credentials")),
            };
        }
        206 => "the server answers a request without a range with a range: iOS refuses that",
        301 | 302 | 303 | 307 | 308 => {
            "it redirects to a host that the configuration does not name: players of mini programs need \
             each such host listed"
        }
        401 | 403 => {
            "the URL is refused: is the clock right, may these keys read, is the signature the one that \
             the console expects, does hotlink protection allow requests without a Referer? Links of \
             `serve` are good for the link_key_file that it was started with"
        }
        404 => "nothing is there: does the address show this bucket, prefix included?",
        _ => "look at the log of that server",
    };
    fail(WHAT, format!("{host} answers {status}\nhint: {hint} [RA621]"))
}

/// Whether players on pages and in mini programs may ask there at all.
pub(super) fn https(asked: &Url, answered: &Url) -> Finding {
    const WHAT: &str = "https";
    let Some(plain) = [asked, answered].into_iter().find(|url| url.scheme() != "https") else {
        return good(WHAT, "the file is served over https");
    };
    let host = plain.host_str().unwrap_or_default();
    let is_local = match plain.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let text = format!(
        "{host} is asked over plain http\n\
         hint: mini programs and pages on https play nothing from there: use an https address [RA622]"
    );
    if is_local { warn(WHAT, text) } else { fail(WHAT, text) }
}

/// The answer to a request for the first two bytes.
pub(super) fn ranges(whole: &Answer, range: &Answer, bytes: Option<u64>) -> Finding {
    const WHAT: &str = "ranges";
    let hint = "nobody can seek, and iOS plays nothing: the server or CDN must pass Range on";
    if range.status != 206 {
        let status = range.status;
        return fail(
            WHAT,
            format!("a range is answered with {status}, not 206\nhint: {hint} [RA623]"),
        );
    }
    let told = range.header("content-range");
    let size = bytes.map_or_else(|| "*".to_owned(), |bytes| bytes.to_string());
    let is_it = match told.strip_prefix("bytes 0-1/") {
        Some(told) => told == size || bytes.is_none(),
        None => false,
    };
    if !is_it {
        let text = format!(
            "the range bytes=0-1 is answered with Content-Range {told:?}, not \"bytes 0-1/{size}\"\nhint: {hint} [RA623]"
        );
        return fail(WHAT, text);
    }
    match whole.header("accept-ranges") {
        "bytes" => good(WHAT, "a range is answered with 206, and Accept-Ranges says so"),
        other => warn(
            WHAT,
            format!(
                "a range is answered with 206, but Accept-Ranges is {other:?}\n\
                 hint: some players do not try to seek then: have the server send Accept-Ranges: bytes [RA623]"
            ),
        ),
    }
}

/// The type of the file.
pub(super) fn content_type(answer: &Answer, medium: Medium) -> Finding {
    const WHAT: &str = "content type";
    let told = answer.header("content-type");
    let kind = told.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match (medium, kind.as_str()) {
        (Medium::Film, "video/mp4") => good(WHAT, "video/mp4"),
        (Medium::Film, _) => fail(
            WHAT,
            format!(
                "{told:?}, not video/mp4\n\
                 hint: iOS plays nothing else; does the CDN change it? The archive stores films as video/mp4 [RA624]"
            ),
        ),
        (Medium::Chunk, "text/html") => {
            fail(WHAT, "text/html\nhint: a page came in place of the chunk [RA621]")
        }
        (Medium::Chunk, _) => good(WHAT, format!("{told:?}, which scripts do not mind")),
    }
}

/// Whether browsers show the file or save it.
pub(super) fn disposition(answer: &Answer, medium: Medium) -> Finding {
    const WHAT: &str = "disposition";
    let told = answer.header("content-disposition");
    let kind = told.split(';').next().unwrap_or_default().trim();
    let forced = ["x-cos-force-download", "x-oss-force-download"];
    let forced = forced.into_iter().find(|name| answer.header(name).eq_ignore_ascii_case("true"));
    if !kind.eq_ignore_ascii_case("attachment") && forced.is_none() {
        return good(WHAT, "inline: browsers play the file");
    }
    let told = forced.map_or_else(|| told.to_owned(), |name| format!("{name}: true"));
    let text = format!(
        "the server forces a download ({told})\n\
         hint: default domains of COS and OSS do: bind a domain of your own and set [serve] base_url, or use \
         media = \"proxy\" [RA625]"
    );
    // A script does not look at it.
    if medium == Medium::Chunk { warn(WHAT, text) } else { fail(WHAT, text) }
}

/// Whether a script of a page at `origin` may read the file.
pub(super) fn cors(answer: &Answer, origin: &str, medium: Medium) -> Finding {
    const WHAT: &str = "CORS";
    const EXPOSED: [&str; 3] = ["content-range", "accept-ranges", "etag"];
    let allowed = answer.header("access-control-allow-origin");
    if allowed != "*" && allowed != origin {
        let need = match medium {
            Medium::Chunk => "hls.js plays nothing without it",
            Medium::Film => "<video> plays without it; hls.js, a canvas and fetch do not",
        };
        let text = format!(
            "pages at {origin} may not read the file: Access-Control-Allow-Origin is {allowed:?}\n\
             hint: {need}: allow GET from that origin in the CORS rules of the bucket or CDN; --origin \
             names another page [RA626]"
        );
        return if medium == Medium::Chunk { fail(WHAT, text) } else { warn(WHAT, text) };
    }
    let told = answer.header("access-control-expose-headers").to_ascii_lowercase();
    let told: Vec<&str> = told.split(',').map(str::trim).collect();
    let hidden: Vec<&str> = match told.contains(&"*") {
        true => Vec::new(),
        false => EXPOSED.into_iter().filter(|name| !told.contains(name)).collect(),
    };
    match hidden.as_slice() {
        [] => good(WHAT, format!("pages at {origin} may read the file and its headers")),
        hidden => warn(
            WHAT,
            format!(
                "pages at {origin} may read the file, but not {}\n\
                 hint: add them to the exposed headers of the CORS rules [RA626]",
                hidden.join(", ")
            ),
        ),
    }
}

/// The answer to a mini program, whose requests come with a Referer of their own.
pub(super) fn mini_program(range: &Answer) -> Finding {
    const WHAT: &str = "mini programs";
    match range.status {
        200 | 206 => good(WHAT, "the Referer of a mini program is let in"),
        status => fail(
            WHAT,
            format!(
                "with the Referer of a mini program, the answer is {status}\n\
                 hint: add servicewechat.com to the hotlink white-list [RA627]"
            ),
        ),
    }
}

/// Whether films begin with their tables, as far as that is known: how many do not, and of how many it is not
/// known.
pub(super) fn faststart(late: usize, unknown: usize, room: impl std::fmt::Display) -> Finding {
    const WHAT: &str = "faststart";
    match (late, unknown) {
        (0, 0) => good(WHAT, "the tables come first, so that playing begins at once"),
        (0, unknown) => warn(
            WHAT,
            format!(
                "of {} it is not known whether their tables come first\n\
                 hint: `backfill --room {room} --force` examines them [RA628]",
                counted(unknown, "segment"),
            ),
        ),
        (late, _) => warn(
            WHAT,
            format!(
                "{} {} at the end: players fetch them before they begin\n\
                 hint: `stitch --room {room}` makes a film that has them first [RA628]",
                counted(late, "segment"),
                if late == 1 { "has its tables" } else { "have their tables" },
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;
    use Verdict::{Fail, Good, Warn};

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let url = "https://cdn.example/a.mp4".parse().unwrap();
        Answer { status, headers: HeaderMap::from_iter(headers), url }
    }

    #[test]
    fn each_way_to_fail_a_player_is_told_with_a_hint() {
        let full = answer(200, &[("accept-ranges", "bytes"), ("content-length", "9")]);
        let part = |range| answer(206, &[("content-range", range)]);
        let typed = |kind| answer(200, &[("content-type", kind)]);
        let disposed = |kind| answer(200, &[("content-disposition", kind)]);
        let film = Medium::Film;
        let url = |text: &str| text.parse::<Url>().unwrap();
        let (cdn, local) = (url("https://cdn.example/"), url("http://127.0.0.1:1/"));
        for (verdict, finding) in [
            (Good, whole(&full, Some(9))),
            (Fail, whole(&full, Some(8))),
            (Fail, whole(&answer(206, &[]), Some(9))),
            (Fail, whole(&answer(302, &[]), Some(9))),
            (Fail, whole(&answer(403, &[]), Some(9))),
            (Fail, whole(&answer(404, &[]), Some(9))),
            (Good, https(&cdn, &cdn)),
            (Warn, https(&cdn, &local)),
            (Fail, https(&url("http://cdn.example/"), &cdn)),
            (Good, ranges(&full, &part("bytes 0-1/9"), Some(9))),
            (Good, ranges(&full, &part("bytes 0-1/9"), None)),
            (Fail, ranges(&full, &part("bytes 0-8/9"), Some(9))),
            (Fail, ranges(&full, &part("bytes 0-1/8"), Some(9))),
            (Fail, ranges(&full, &answer(200, &[]), Some(9))),
            (Warn, ranges(&answer(200, &[]), &part("bytes 0-1/9"), Some(9))),
            (Good, content_type(&typed("Video/MP4; codecs=x"), film)),
            (Fail, content_type(&typed("application/octet-stream"), film)),
            (Good, content_type(&typed("application/octet-stream"), Medium::Chunk)),
            (Fail, content_type(&typed("text/html; charset=utf-8"), Medium::Chunk)),
            (Good, disposition(&full, film)),
            (Good, disposition(&disposed("inline; filename=\"attachment\""), film)),
            (Fail, disposition(&disposed("Attachment; filename=\"a.mp4\""), film)),
            (Fail, disposition(&answer(200, &[("x-cos-force-download", "true")]), film)),
            (Warn, disposition(&disposed("attachment"), Medium::Chunk)),
            (Good, mini_program(&part("bytes 0-1/9"))),
            (Fail, mini_program(&answer(403, &[]))),
            (Good, faststart(0, 0, 1)),
            (Warn, faststart(1, 3, 1)),
            (Warn, faststart(0, 3, 1)),
        ] {
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert_eq!(finding.text.contains("\nhint: "), verdict != Good, "{finding:?}");
        }
    }

    #[test]
    fn one_segment_has_its_tables_and_two_have_theirs() {
        let told = |late| faststart(late, 0, 1).text;
        assert!(told(1).starts_with("1 segment has its tables at the end"), "{}", told(1));
        assert!(told(2).starts_with("2 segments have their tables at the end"), "{}", told(2));
    }

    #[test]
    fn cors_lets_in_everybody_or_the_page_and_shows_what_scripts_need() {
        const EXPOSED: (&str, &str) =
            ("access-control-expose-headers", "ETag, Content-Range,accept-ranges");
        let origin = "https://shop.example";
        let allows = |origin| ("access-control-allow-origin", origin);
        for (headers, of_film, of_chunk) in [
            (vec![allows("*"), EXPOSED], Good, Good),
            (vec![allows("https://shop.example"), EXPOSED], Good, Good),
            (vec![allows("*"), ("access-control-expose-headers", "*")], Good, Good),
            (vec![allows("*")], Warn, Warn),
            (vec![allows("https://other.example"), EXPOSED], Warn, Fail),
            (vec![], Warn, Fail),
        ] {
            let answer = answer(206, &headers);
            let verdicts = [Medium::Film, Medium::Chunk].map(|m| cors(&answer, origin, m).verdict);
            assert_eq!(verdicts, [of_film, of_chunk], "{headers:?}");
        }
    }
}
