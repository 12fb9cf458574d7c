//! The fuzz target for what callers send.

use super::api::query::Asked;
use super::pages::local;
use super::range::{Wanted, wanted};

/// A query, a range, and where to go after a login: whatever is read stays within bounds.
pub(crate) fn request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(asked) = Asked::parse(text) {
        assert!((1..=200).contains(&asked.limit));
        if let Some(cursor) = asked.after {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }
    for bytes in [0, 1, 1_000, u64::MAX] {
        for header in [text.to_owned(), format!("bytes={text}")] {
            if let Wanted::Part(range) = wanted(Some(&header), bytes) {
                assert!(range.start < range.end && range.end <= bytes);
            }
        }
    }
    let next = local(text);
    assert!(next.starts_with('/') && !next.starts_with("//"), "{next:?}");
    let is_plain = |c: char| c.is_ascii_graphic() && c != '\\';
    assert!(next.split('?').next().is_some_and(|path| path.chars().all(is_plain)), "{next:?}");
}
