//! Chooses the fault that strikes a request, and applies it to the reply.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_RANGE, HeaderName, LOCATION, RETRY_AFTER,
};

use super::content::Content;
use super::reply::{Ending, Length, Reply};
use super::scenario::{Announce, ApiCall, Effect, Fault, Listener, Times};

/// The largest body that a fault gzips.
const GZIP_CAP: u64 = 16 << 20;

/// A page like those of captive portals and error hosts.
const PAGE: &str = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>\
    <body><center><h1>502 Bad Gateway</h1></center></body></html>";

/// The properties of a request that faults match.
#[derive(Debug)]
pub struct Target<'a> {
    /// The listener that received it.
    pub on: Listener,
    pub method: &'a str,
    pub path: &'a str,
    /// Its query, decoded.
    pub query: &'a str,
    /// The API call, if it is one.
    pub call: Option<ApiCall>,
    /// The room that it concerns.
    pub room: Option<i64>,
    /// The recording that it concerns, from 1.
    pub item: Option<usize>,
    /// Whether it requests a range.
    pub ranged: bool,
}

/// Returns the effect of the first fault that strikes `target`, and uses the fault up by one.
pub fn strike(faults: &mut [Fault], target: &Target<'_>) -> Option<Effect> {
    for fault in faults {
        if !matches(fault, target) || fault.times == Times::Left(0) {
            continue;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
            continue;
        }
        if fault.passed > 0 {
            fault.passed = (fault.passed + 1) % fault.every.max(1);
            continue;
        }
        fault.passed = 1 % fault.every.max(1);
        if let Times::Left(left) = &mut fault.times {
            *left -= 1;
        }
        return Some(fault.then.clone());
    }
    None
}

fn matches(fault: &Fault, target: &Target<'_>) -> bool {
    fault.on == target.on
        && (target.method != "HEAD" || !fault.then.needs_body())
        && fault.path.as_ref().is_none_or(|path| glob(path, target.path))
        && fault.query.as_ref().is_none_or(|query| glob(query, target.query))
        && fault.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(target.method))
        && (fault.call.is_none() || fault.call == target.call)
        && (fault.room.is_none() || fault.room == target.room)
        && (fault.item.is_none() || fault.item == target.item)
        && fault.ranged.is_none_or(|ranged| ranged == target.ranged)
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| glob(tail, rest)))
}

/// Applies the effect to a reply. API errors, changes of the file itself and of the treatment of ranges
/// are applied by the listeners and change nothing here.
pub fn apply(effect: &Effect, reply: &mut Reply) {
    let len = reply.range.end - reply.range.start;
    match effect {
        Effect::Status { code, retry_after } => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            reply.replace_body("text/plain", format!("{status}\n"));
            reply.status = status;
            if let Some(seconds) = retry_after {
                reply.set(RETRY_AFTER, &seconds.to_string());
            }
        }
        Effect::Body { text } => reply.replace_body("application/json", text.clone()),
        Effect::Html => reply.replace_body("text/html", PAGE),
        Effect::Empty => reply.replace_body("application/octet-stream", ""),
        Effect::Redirect { to } => {
            *reply = Reply::empty(StatusCode::FOUND);
            reply.set(LOCATION, to);
        }
        Effect::Reset { at } => reply.ending = Ending::Reset(at.0),
        Effect::Stall { at } => reply.ending = Ending::Stall(at.0),
        Effect::Short { at, length } => {
            reply.ending = Ending::Short(at.map_or(len / 2, |at| at.0));
            if *length == Announce::Absent {
                reply.length = Length::Absent;
            }
        }
        Effect::Longer { by } => lengthen(reply, by.0),
        Effect::WrongContentRange { shift, total } => shift_content_range(reply, *shift, *total),
        Effect::Headers { set } => set.iter().for_each(|(name, value)| replace(reply, name, value)),
        Effect::Gzip => gzip(reply),
        Effect::BitFlip { at } => reply.flip = Some(at.0),
        Effect::Slow { delay } => reply.delay += delay.0,
        Effect::Drip { rate } => reply.rate = Some(rate.0),
        Effect::Errcode { .. }
        | Effect::ChangedEtag
        | Effect::ChangedLength { .. }
        | Effect::NoMoov
        | Effect::Preview
        | Effect::IgnoreRange => {}
    }
}

/// Extends the body past its end, with the file's next bytes or with filler.
fn lengthen(reply: &mut Reply, by: u64) {
    let end = reply.range.end.saturating_add(by);
    if end > reply.content.len() {
        reply.content = Arc::new(reply.content.resized(end));
    }
    reply.range.end = end;
}

fn shift_content_range(reply: &mut Reply, shift: u64, longer: u64) {
    let range = reply.headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let Some((first, last, total)) = range.and_then(split_content_range) else {
        return;
    };
    let wrong = format!("bytes {}-{}/{}", first + shift, last + shift, total + longer);
    reply.set(CONTENT_RANGE, &wrong);
}

/// Sets a header, or removes it if the value is empty.
fn replace(reply: &mut Reply, name: &str, value: &str) {
    let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return };
    match value {
        "" => drop(reply.headers.remove(name)),
        _ => reply.set(name, value),
    }
}

fn split_content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

fn gzip(reply: &mut Reply) {
    if reply.range.end - reply.range.start > GZIP_CAP {
        *reply = Reply::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/plain",
            "the sandbox gzips bodies up to 16 MiB\n",
        );
        return;
    }
    let packed = stored_gzip(&reply.content, reply.range.clone());
    reply.content = Arc::new(Content::of(packed));
    reply.range = 0..reply.content.len();
    reply.headers.remove(ACCEPT_RANGES);
    reply.set(CONTENT_ENCODING, "gzip");
}

/// A gzip file (RFC 1952) of stored blocks: nothing is compressed, but every decoder reads it.
fn stored_gzip(content: &Content, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32IsoHdlc);
    let mut at = range.start;
    while at < range.end {
        let bytes = content.read(at..range.end.min(at + 0xffff));
        let Ok(len) = u16::try_from(bytes.len()) else { break };
        packed.push(0);
        packed.extend_from_slice(&len.to_le_bytes());
        packed.extend_from_slice(&(!len).to_le_bytes());
        packed.extend_from_slice(&bytes);
        crc.update(&bytes);
        at += u64::from(len).max(1);
    }
    packed.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    packed.extend_from_slice(&(crc.finalize() as u32).to_le_bytes());
    packed.extend_from_slice(&((range.end - range.start) as u32).to_le_bytes());
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Target<'_> {
        let (on, method, room, item) = (Listener::Vod, "GET", Some(1), Some(2));
        let query = "start=0&end=9";
        Target { on, method, path, query, call: None, room, item, ranged: true }
    }

    #[test]
    fn faults_are_used_up_in_order_and_passed_over_then() {
        let status = |code| Effect::Status { code, retry_after: None };
        let mut faults = vec![
            Fault { times: Times::Left(2), ..Fault::once(Listener::Vod, status(503)) },
            Fault { skip: 1, ..Fault::once(Listener::Vod, status(403)) },
            Fault { room: Some(9), ..Fault::once(Listener::Vod, status(404)) },
        ];
        let mut codes = Vec::new();
        for _ in 0..5 {
            codes.push(strike(&mut faults, &get("/x")).map(|effect| match effect {
                Effect::Status { code, .. } => code,
                _ => 0,
            }));
        }
        assert_eq!(codes, [Some(503), Some(503), None, Some(403), None]);
    }

    #[test]
    fn a_fault_may_be_of_one_query_alone() {
        let mut fault = Fault::once(Listener::Vod, Effect::Html);
        for (query, strikes) in [("start=0&*", true), ("start=1&*", false), ("start=0", false)] {
            fault.query = Some(query.to_owned());
            assert_eq!(strike(&mut [fault.clone()], &get("/x")).is_some(), strikes, "{query}");
        }
    }

    #[test]
    fn a_fault_may_strike_in_turns_and_requests_with_ranges_alone() {
        let mut fault = Fault::once(Listener::Vod, Effect::Html).always();
        (fault.every, fault.skip, fault.ranged) = (3, 1, Some(true));
        let mut faults = [fault];
        let plain = Target { ranged: false, ..get("/x") };
        assert_eq!(strike(&mut faults, &plain), None);
        let struck: Vec<bool> = (0..8).map(|_| strike(&mut faults, &get("/x")).is_some()).collect();
        assert_eq!(struck, [false, true, false, false, true, false, false, true]);
    }

    #[test]
    fn a_fault_of_the_body_lets_head_requests_pass() {
        let mut faults = [Fault::once(Listener::Vod, Effect::IgnoreRange)];
        assert_eq!(strike(&mut faults, &Target { method: "HEAD", ..get("/x") }), None);
        assert_eq!(strike(&mut faults, &get("/x")), Some(Effect::IgnoreRange));
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let table = [
            ("/a/f0.mp4", "/a/f0.mp4", true),
            ("*/f0.mp4", "/a/b/f0.mp4", true),
            ("*/f0.mp4", "/a/f0.mp4?", false),
            ("/a*b*c", "/axxbyyc", true),
            ("/a*b*c", "/axxcyyb", false),
            ("*", "/播", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
