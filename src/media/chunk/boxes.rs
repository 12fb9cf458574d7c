//! The boxes of an MP4's section or fragment: whether they are whole.

use super::{ChunkError, Examined, Finding};

/// Counts boxes as they stream by.
#[derive(Debug, Default)]
pub(super) struct Boxes {
    /// Where the box begins that is under way.
    begun: u64,
    /// How many bytes have come.
    total: u64,
    /// What has come of its head.
    head: Vec<u8>,
    /// What follows its head.
    left: Left,
    /// What stands where no box begins.
    garbage: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The head is not whole.
    #[default]
    Head,
    Bytes(u64),
    /// All up to the end.
    Rest,
}

impl Boxes {
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match self.left {
                Left::Rest => bytes.len(),
                Left::Bytes(left) => usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()),
                Left::Head => 1,
            };
            let (now, rest) = bytes.split_at(taken);
            self.total += taken as u64;
            match &mut self.left {
                Left::Rest => {}
                Left::Bytes(left) => *left -= taken as u64,
                Left::Head => self.head(now),
            }
            if self.left == Left::Bytes(0) {
                self.left = Left::Head;
                self.head.clear();
                self.begun = self.total;
            }
            bytes = rest;
        }
    }

    /// Takes more of a head.
    fn head(&mut self, bytes: &[u8]) {
        self.head.extend_from_slice(bytes);
        let Some((size, _)) = self.head.split_first_chunk::<4>() else { return };
        let large = self.head.get(8..).and_then(|rest| rest.first_chunk::<8>());
        let (size, head) = match u64::from(u32::from_be_bytes(*size)) {
            _ if self.head.len() < 8 => return,
            0 => return self.left = Left::Rest,
            1 => match large {
                Some(large) => (u64::from_be_bytes(*large), 16),
                None => return,
            },
            size => (size, 8),
        };
        self.left = match size.checked_sub(head) {
            Some(left) => Left::Bytes(left),
            None => {
                self.garbage = Some(self.begun);
                Left::Rest
            }
        };
    }

    /// What the boxes come to, and what is wrong where the last one is not whole.
    pub fn finish(self) -> (Examined, Option<ChunkError>) {
        let is_whole = match self.left {
            Left::Rest => true,
            Left::Head => self.head.is_empty(),
            Left::Bytes(left) => left == 0,
        };
        let (offset, total) = (self.begun, self.total);
        let cut = (!is_whole).then_some(ChunkError::CutBox { offset, total });
        let finding = |offset| Finding {
            offset,
            length: self.total - offset,
            at_ms: None,
            duration_ms: None,
            what: "no box begins where one has to".to_owned(),
        };
        let findings = self.garbage.map(finding).into_iter().collect();
        (Examined { findings, unexamined: Some("its fragments are not looked into") }, cut)
    }
}
