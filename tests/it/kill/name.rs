//! What a request is called: the same in every run, whatever the time, the run and the upload.

use super::http::Head;

/// Parts of a query that differ from run to run.
const VARYING: [&str; 5] = ["access_token", "uploadId", "sign", "t", "us"];

/// The name of a request to `server`: method, path and query, range, and what WeChat is asked.
pub fn name(server: &str, head: &Head, body: &[u8]) -> String {
    let mut words = head.line().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kept = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default();
        !pair.is_empty() && !VARYING.contains(&key)
    };
    let mut text = format!("{server} {method} {}", without_digests(path));
    for pair in query.split('&').filter(kept) {
        text.extend([" ", pair]);
    }
    if query.contains("uploadId") {
        text.push_str(" uploadId");
    }
    if let Some(range) = head.header("range") {
        text.extend([" ", range]);
    }
    if path.ends_with("/getliveinfo") {
        text.extend([" ", &String::from_utf8_lossy(body)]);
    }
    text
}

/// The path with a star for every SHA-256.
fn without_digests(path: &str) -> String {
    let is_digest = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut text = String::new();
    for slice in path.split_inclusive(['/', '-', '.']) {
        let word = slice.trim_end_matches(['/', '-', '.']);
        if is_digest(word) {
            text.push('*');
            text.push_str(&slice[word.len()..]);
        } else {
            text.push_str(slice);
        }
    }
    text
}

/// The name of a statement of the ledger; `None` for one that changes nothing.
pub fn statement(sql: &str) -> Option<String> {
    let words: Vec<&str> = sql.split_whitespace().collect();
    let verb = words.first()?.to_ascii_lowercase();
    let is_change =
        ["insert", "update", "delete", "create", "alter", "commit"].contains(&verb.as_str());
    let mut text = words.join(" ");
    text.truncate(text.floor_char_boundary(160));
    is_change.then(|| format!("ledger {text}"))
}

#[test]
fn a_request_has_the_same_name_in_every_run() {
    let head = |line: &str| Head { text: format!("{line}\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n") };
    let digest = "0123456789abcdef".repeat(4);
    let line = format!("PUT /b/history/1-{digest}.json?uploadId=7&partNumber=2 HTTP/1.1");
    assert_eq!(
        name("store", &head(&line), b""),
        "store PUT /b/history/1-*.json partNumber=2 uploadId bytes=0-1"
    );
    assert_eq!(statement("commit").as_deref(), Some("ledger commit"));
    assert_eq!(statement("select 1"), None);
    assert_eq!(statement("update  a\n set b").as_deref(), Some("ledger update a set b"));
}
