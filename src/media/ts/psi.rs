//! The tables that describe a transport stream: PAT and PMT (ISO/IEC 13818-1, section 2.4.4).

/// The longest section, in bytes.
const LONGEST: usize = 1024;

/// A section that arrives in packets.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    bytes: Vec<u8>,
    is_begun: bool,
}

/// The result of a packet of a table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// The section continues in the next packet, or the packet has none.
    Nothing,
    /// A whole section whose checksum matches.
    Whole(Vec<u8>),
    /// A whole section whose checksum does not match.
    Unsound,
}

/// The content of a stream of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Sound,
    /// Other or unknown content.
    Other,
}

impl Section {
    /// Takes the payload of the next packet.
    pub fn take(&mut self, payload: &[u8], begins: bool) -> Table {
        let fresh = match payload {
            [pointer, rest @ ..] if begins => rest.get(usize::from(*pointer)..).unwrap_or_default(),
            _ => payload,
        };
        if begins {
            self.bytes.clear();
            self.is_begun = true;
        }
        if !self.is_begun {
            return Table::Nothing;
        }
        let room = LONGEST.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(fresh.get(..room).unwrap_or(fresh));
        let [id, high, low, ..] = self.bytes.as_slice() else { return Table::Nothing };
        if *id == 0xff {
            self.is_begun = false;
            return Table::Nothing;
        }
        let length = 3 + usize::from(u16::from_be_bytes([*high, *low]) & 0x0fff);
        if length > LONGEST {
            self.is_begun = false;
            return Table::Unsound;
        }
        let Some(section) = self.bytes.get(..length) else { return Table::Nothing };
        self.is_begun = false;
        match crc32(section) {
            0 => Table::Whole(section.to_vec()),
            _ => Table::Unsound,
        }
    }
}

/// The streams with the stream tables that a PAT lists.
pub(super) fn pmt_pids(pat: &[u8]) -> impl Iterator<Item = u16> {
    let is_pat = pat.first() == Some(&0);
    let body = body(pat, 8).filter(|_| is_pat).unwrap_or_default();
    body.chunks_exact(4).filter_map(|entry| match entry {
        [0, 0, ..] => None,
        [_, _, high, low] => Some(u16::from_be_bytes([*high, *low]) & 0x1fff),
        _ => None,
    })
}

/// The streams that a PMT lists, with their content; `None` if it is not a PMT.
pub(super) fn streams(pmt: &[u8]) -> Option<Vec<(u16, Kind)>> {
    let body = body(pmt, 10).filter(|_| pmt.first() == Some(&2))?;
    let (length, mut rest) = body.split_first_chunk::<2>()?;
    rest = rest.get(usize::from(u16::from_be_bytes(*length) & 0x0fff)..)?;
    let mut streams = Vec::new();
    while let [kind, pid_high, pid_low, high, low, after @ ..] = rest {
        let pid = u16::from_be_bytes([*pid_high, *pid_low]) & 0x1fff;
        streams.push((pid, kind_of(*kind)));
        rest = after.get(usize::from(u16::from_be_bytes([*high, *low]) & 0x0fff)..)?;
    }
    Some(streams)
}

/// The part of a section between its header and its checksum.
fn body(section: &[u8], head: usize) -> Option<&[u8]> {
    section.get(head..section.len().checked_sub(4)?)
}

/// Maps stream types (ISO/IEC 13818-1, table 2-34; ATSC A/53; SMPTE; encrypted samples of HLS).
fn kind_of(stream_type: u8) -> Kind {
    match stream_type {
        0x01 | 0x02 | 0x10 | 0x1b | 0x20 | 0x21 | 0x24 | 0x27 | 0x33 | 0x42 | 0xd1 | 0xdb
        | 0xea => Kind::Picture,
        0x03 | 0x04 | 0x0f | 0x11 | 0x1c | 0x81 | 0x82 | 0x87 | 0xc1 | 0xc2 | 0xcf => Kind::Sound,
        _ => Kind::Other,
    }
}

/// CRC-32/MPEG-2; 0 over a section including its own checksum.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 };
        }
    }
    crc
}
