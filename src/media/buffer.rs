//! A buffer that owns its memory pages.
//!
//! The heap keeps freed memory as long as anything behind it is in use, and each thread has its own
//! heap: buffers of changing sizes would leave as much memory again behind. Pages that are mapped for
//! one buffer go back to the system as soon as it is dropped.

use bytes::Bytes;
use memmap2::MmapMut;

/// Bytes that are appended, up to a capacity.
#[derive(Debug, Default)]
pub struct Buffer {
    /// `None` if the capacity is 0.
    pages: Option<MmapMut>,
    filled: usize,
}

impl Buffer {
    /// An empty buffer for `capacity` bytes. The system provides pages only as they are filled.
    ///
    /// # Panics
    /// When the system is out of memory, as for any allocation.
    #[expect(clippy::expect_used, reason = "no allocation of this program survives its failure")]
    pub fn new(capacity: usize) -> Self {
        let map = || MmapMut::map_anon(capacity).expect("memory for a part");
        Self { pages: (capacity > 0).then(map), filled: 0 }
    }

    /// How many bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.pages.as_ref().map_or(0, |pages| pages.len())
    }

    /// How many bytes it holds.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The bytes it holds.
    pub fn filled(&self) -> &[u8] {
        self.pages.as_ref().and_then(|pages| pages.get(..self.filled)).unwrap_or_default()
    }

    /// The bytes it holds, mutable.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        let filled = self.filled;
        self.pages.as_mut().and_then(|pages| pages.get_mut(..filled)).unwrap_or_default()
    }

    /// Empties the buffer but keeps the pages.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Adds bytes at the end.
    ///
    /// # Panics
    /// When they do not fit: no reader is given more than it asked for.
    #[expect(clippy::expect_used, reason = "a part of other bytes than planned must not go on")]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
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
    fn extend<T: IntoIterator<Item = Bytes>>(&mut self, slices: T) {
        slices.into_iter().for_each(|slice| self.extend_from_slice(&slice));
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
