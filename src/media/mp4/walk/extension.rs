//! Finds in a `moov`, as its bytes stream by, the box that announces fragments. The walk may be stored and
//! resumed anywhere, so it cannot wait for the whole `moov`.

use memchr::memmem;
use serde::{Deserialize, Serialize};

/// The size and type of a box.
const HEADER: usize = 8;

/// The last bytes of a `moov` so far, in which the header of an `mvex` may have begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extension {
    tail: Vec<u8>,
}

impl Extension {
    /// Takes the next bytes of the `moov`. Returns whether an `mvex` begins in them, or began just before.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        let border = [&self.tail, bytes.get(..HEADER).unwrap_or(bytes)].concat();
        let last = if bytes.len() < HEADER { border.as_slice() } else { bytes };
        let tail = last.get(last.len().saturating_sub(HEADER - 1)..).unwrap_or_default().to_vec();
        let is_found = begins(&border) || begins(bytes);
        self.tail = tail;
        is_found
    }

    /// Whether nothing was taken yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.tail.is_empty()
    }

    /// Whether this can be the state of a real walk: a stored one may have been changed since.
    pub(super) fn is_sound(&self) -> bool {
        self.tail.len() < HEADER
    }
}

/// Whether an `mvex` begins in these bytes. Real ones are smaller than 64 KiB.
fn begins(bytes: &[u8]) -> bool {
    let mut found = memmem::find_iter(bytes, b"mvex");
    found.any(|at| at.checked_sub(4).and_then(|size| bytes.get(size..at)).is_some_and(is_size))
}

fn is_size(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mvex_is_found_however_the_bytes_are_cut() {
        let with = |size: [u8; 4]| [b"mvex of text".as_slice(), &size, b"mvex", &[7; 20]].concat();
        for (bytes, is_there) in [(with([0, 0, 0, 40]), true), (with([9, 0, 0, 40]), false)] {
            for slice in 1..bytes.len() {
                let mut extension = Extension::default();
                let mut is_found = false;
                for bytes in bytes.chunks(slice) {
                    is_found |= extension.take(bytes);
                    assert!(extension.is_sound() && !extension.is_fresh());
                }
                assert_eq!(is_found, is_there, "in slices of {slice}");
            }
        }
    }
}
