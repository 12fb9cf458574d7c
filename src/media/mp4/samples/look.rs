//! One sample, compared with what its codec may write while its bytes stream by.

use serde::{Deserialize, Serialize};

use super::aac::Frame;
use super::coding::Coding;
use super::nal::{NalWalk, Wrong};

/// What was seen of a sample.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Look {
    walk: Option<NalWalk>,
    #[serde(default)]
    frame: Frame,
    pub(super) is_begun: bool,
}

impl Look {
    /// Takes the next bytes of a sample of `size` bytes, and returns where in them something is
    /// wrong.
    pub(super) fn take(
        &mut self,
        (coding, size): (Coding, u32),
        slice: &[u8],
        mut wrong: impl FnMut(usize, Wrong),
    ) {
        self.is_begun = true;
        let (length_size, is_hevc) = match coding {
            Coding::Avc(length_size) => (length_size, false),
            Coding::Hevc(length_size) => (length_size, true),
            Coding::Aac(channels) => {
                if let Some(what) = self.frame.take(slice, channels, size) {
                    wrong(0, what);
                }
                return;
            }
            Coding::Other(_) => return,
        };
        let walk = self.walk.get_or_insert_with(|| NalWalk::new(length_size, is_hevc, size));
        walk.take(slice, wrong);
    }
}
