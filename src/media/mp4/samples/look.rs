//! One sample, held against what its codec writes as its bytes stream by.

use serde::{Deserialize, Serialize};

use super::coding::Coding;
use super::nal::{NalWalk, Wrong};

/// No frame of AAC has more bytes for each of its channels (ISO/IEC 14496-3 section 4.5.1.1).
const BYTES_A_CHANNEL: u32 = 768;

/// What has come of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    walk: Option<NalWalk>,
    pub(super) is_begun: bool,
}

impl Look {
    /// Takes the next bytes of a sample of `size` bytes, and tells where in them something is wrong.
    pub(super) fn take(
        &mut self,
        (coding, size): (Coding, u32),
        piece: &[u8],
        mut wrong: impl FnMut(usize, Wrong),
    ) {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let (length_size, is_hevc) = match coding {
            Coding::Avc(length_size) => (length_size, false),
            Coding::Hevc(length_size) => (length_size, true),
            Coding::Aac(channels) => {
                let first = piece.first().filter(|_| is_first);
                if let Some(what) = first.and_then(|first| sound(*first, channels, size)) {
                    wrong(0, what);
                }
                return;
            }
            Coding::Other(_) => return,
        };
        let walk = self.walk.get_or_insert_with(|| NalWalk::new(length_size, is_hevc, size));
        walk.take(piece, wrong);
    }
}

/// What is wrong with a frame of AAC that begins with this byte.
fn sound(first: u8, channels: u8, size: u32) -> Option<Wrong> {
    let most = match channels {
        0 => 16,
        7 => 8,
        8.. => 24,
        few => u32::from(few),
    };
    if size > most * BYTES_A_CHANNEL {
        return Some(Wrong::TooLong);
    }
    // The types of element: 0 one channel, 1 two, 4 data, 5 a configuration, 6 filling.
    let fits = match (first >> 5, channels) {
        (4..=6, _) | (_, 0 | 8..) => true,
        (1, 2) => true,
        (element, 2) => element == 1,
        (element, _) => element == 0,
    };
    (!fits).then_some(Wrong::Element)
}
