//! What the pages in `docs/` say of the program: that it is so, and that nothing is left out.

mod examples;
mod formats;
mod operations;
mod policies;

use std::path::{Path, PathBuf};

use crate::strict::StrictS3;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of the repository.
fn page(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether generated files are written instead of compared.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says so")]
fn writes() -> bool {
    std::env::var("REPLAY_ARCHIVER_TEST_WRITE_DOCS").is_ok()
}

/// Compares a generated file with what it has to be, or writes it.
fn check_generated(path: &str, expected: &str) {
    if writes() {
        std::fs::write(file(path), expected).unwrap();
    }
    let found = std::fs::read_to_string(file(path)).unwrap_or_default();
    assert_eq!(
        found, expected,
        "{path} is out of date: run the tests `docs::` with REPLAY_ARCHIVER_TEST_WRITE_DOCS=1 and look at the change"
    );
}

/// The fenced blocks of a page that have the comment `<!-- MARKER -->` above them, alone or among others:
/// language and text.
fn blocks(page: &str, marker: &str) -> Vec<(String, String)> {
    let comment = format!("<!-- {marker} -->\n");
    let mut found = Vec::new();
    for mut rest in page.split(&comment).skip(1) {
        while let Some((_, after)) =
            rest.split_once('\n').filter(|(line, _)| line.starts_with("<!--"))
        {
            rest = after;
        }
        let (language, text) = rest.strip_prefix("```").unwrap().split_once('\n').unwrap();
        let (text, _) = text.split_once("\n```").expect("the block ends");
        found.push((language.to_owned(), text.to_owned()));
    }
    found
}

/// What a client did that it may not do, but for `doctor`, which sends a wrong hash to see what the store makes of it.
fn violations(store: &StrictS3) -> Vec<String> {
    let is_probe = |what: &String| {
        what.contains(".replay-archiver-probe-") && what.contains("XAmzContentSHA256Mismatch")
    };
    store.violations().into_iter().filter(|what| !is_probe(what)).collect()
}
