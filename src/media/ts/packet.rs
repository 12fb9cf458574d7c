//! Packet headers (ISO/IEC 13818-1, section 2.4.3).

use super::PACKET;

/// The first byte of each packet.
pub(super) const SYNC: u8 = 0x47;

/// The stream that consists of padding.
pub(super) const NULL: u16 = 0x1fff;

/// A packet, as its header describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub pid: u16,
    /// The sender marked it as damaged.
    pub is_marked: bool,
    /// A table or a frame begins in it.
    pub begins: bool,
    pub is_scrambled: bool,
    pub continuity: u8,
    /// The continuity counter, and perhaps the clock, restart.
    pub is_discontinuous: bool,
    /// `None` if it has no payload; the counter stays the same then.
    pub payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` if it does not begin like one.
    pub fn read(packet: &'a [u8; PACKET]) -> Option<Self> {
        let [SYNC, high, low, flags, rest @ ..] = packet else { return None };
        let has_field = flags & 0x20 != 0;
        let field = usize::from(rest.first().copied().filter(|_| has_field).unwrap_or(0));
        let skipped = if has_field { field + 1 } else { 0 };
        // A field that is longer than the packet leaves no payload.
        let payload = (flags & 0x10 != 0).then(|| rest.get(skipped..).unwrap_or_default());
        let field_flags = rest.get(1).copied().filter(|_| has_field && field > 0).unwrap_or(0);
        Some(Self {
            pid: u16::from(high & 0x1f) << 8 | u16::from(*low),
            is_marked: high & 0x80 != 0,
            begins: high & 0x40 != 0,
            is_scrambled: flags & 0xc0 != 0,
            continuity: flags & 0x0f,
            is_discontinuous: field_flags & 0x80 != 0,
            payload,
        })
    }
}
