//! A buffer with pages of its own.
//!
//! The heap keeps what is freed, for as long as anything lies behind it, and each thread has its own:
//! buffers of changing sizes would leave as much again of it behind. Pages that were mapped for a
//! buffer alone are the system's again as soon as it is dropped.

use bytes::Bytes;
use memmap2::MmapMut;

/// Bytes that are filled in from the beginning, up to a capacity.
#[derive(Debug, Default)]
pub(in crate::stage) struct Buffer {
    /// `None` without any capacity.
    pages: Option<MmapMut>,
    filled: usize,
}

impl Buffer {
    /// An empty buffer for so many bytes. The pages are only taken from the system as they are
    /// filled.
    ///
    /// # Panics
    /// When the system has no more memory, as any allocation.
    #[expect(clippy::expect_used, reason = "no allocation of this program survives its failure")]
    pub(super) fn new(capacity: usize) -> Self {
        let map = || MmapMut::map_anon(capacity).expect("memory for a part");
        Self { pages: (capacity > 0).then(map), filled: 0 }
    }

    /// How many bytes it can hold.
    pub(super) fn capacity(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.len())
    }

    /// How many bytes it holds.
    pub(in crate::stage) fn len(&self) -> usize {
        self.filled
    }

    /// The bytes it holds.
    pub(super) fn filled(&self) -> &[u8] {
        self.pages.as_ref().and_then(|pages| pages.get(..self.filled)).unwrap_or_default()
    }

    /// Holds nothing any more; the pages stay.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Adds bytes at the end.
    ///
    /// # Panics
    /// When there is no room for them: every reader is given no more than it asked for.
    #[expect(clippy::expect_used, reason = "a part of other bytes than planned must not go on")]
    pub(in crate::stage) fn extend_from_slice(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = self.filled + bytes.len();
        let room = self.pages.as_mut().and_then(|pages| pages.get_mut(self.filled..end));
        room.expect("room for what was asked for").copy_from_slice(bytes);
        self.filled = end;
    }
}

impl Extend<Bytes> for Buffer {
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, pieces: T) {
        pieces.into_iter().for_each(|piece| self.extend_from_slice(&piece));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_what_was_filled_in_up_to_its_capacity() {
        let mut buffer = Buffer::new(6);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b""[..], 6));
        buffer.extend([Bytes::from_static(b"ab"), Bytes::from_static(b"cde")]);
        buffer.extend_from_slice(b"f");
        assert_eq!((buffer.filled(), buffer.len()), (&b"abcdef"[..], 6));
        buffer.clear();
        buffer.extend_from_slice(b"x");
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"x"[..], 6));
        let mut nothing = Buffer::new(0);
        nothing.extend_from_slice(b"");
        assert_eq!((nothing.filled(), nothing.capacity()), (&b""[..], 0));
    }

    #[test]
    #[should_panic = "room for what was asked for"]
    fn a_buffer_never_grows() {
        Buffer::new(2).extend_from_slice(b"abc");
    }
}
